// What a backend is told about a connection: see wayleave.route(5), "What a backend is sent". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// Borrowed for a call.
struct EnvelopeOf {
    std::string_view type;  // message, connect, …
    std::string_view id;
    int64_t wall_ms = 0;
    const dsl::Route& route;
    const dsl::Facts& facts;
    std::string_view session;     // empty: it is of none
    std::optional<uint64_t> seq;  // counts what is told of the session; nothing: nobody has counted
    std::string_view user;        // empty: none, or its claim is secret
};

// A JSON object: type, id, timestamp, route, session, seq, user, captures, inputs and claims, and then
// `more`, which are members of it. Secret claims are left out.
[[nodiscard]] std::string envelope(const EnvelopeOf& of, std::string_view more);

// The members of Wayleave-Identity that are about the connection: sub, sid, route.
[[nodiscard]] std::string identity_members(const EnvelopeOf& of);

}  // namespace wayleave
