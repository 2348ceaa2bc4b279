// A handshake that nobody made: written from what is said about a client, and led through the same door as a
// real one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/admission.h"
#include "daemon/decision/grant.h"
#include "daemon/decision/limits.h"
#include "daemon/decision/runtime.h"
#include "dsl/policy/test_case.h"
#include "dsl/text/result.h"

namespace wayleave {

// What a client brings.
struct ClientSpec {
    dsl::Address ip;
    bool tls = false;
    std::string address;                // "app.example.com/ws?x=1", "/ws"
    std::string host;                   // if the address has none
    std::optional<std::string> origin;  // unset: the first that the route admits
    bool no_origin = false;
    std::string subprotocol;
    std::vector<std::pair<std::string, std::string>> headers;
    std::vector<std::pair<std::string, std::string>> inputs;  // by their names in the route
    std::string token;                                        // whose claims are stated; empty: none
    std::string claims;                                       // JSON
    std::string jwt;                                          // a signed token, which is verified
};

// The client of a test block.
[[nodiscard]] ClientSpec client_spec_of(const dsl::Policy& policy, const dsl::TestClient& client);

// A message's members as JSON.
[[nodiscard]] std::string json_of(const std::vector<dsl::TestValue>& members);

// What such a grant says, as JSON.
[[nodiscard]] std::string claims_of(const dsl::Policy& policy, const dsl::TestGrant& grant);

// The grant that a token of that block with these claims is on the route, or why it is none.
[[nodiscard]] Result<HeldGrant> stated_grant(const dsl::Policy& policy, const dsl::Route& route,
                                             std::string_view token, const std::string& claims, Now now);

// The reason if what is said cannot be a handshake: an address that is none, a header with a line end.
[[nodiscard]] Result<Admission> simulate(const Runtime& runtime, const ClientSpec& sketch, AdmissionKind kind,
                                         LimitTable& limits, Now now);

}  // namespace wayleave
