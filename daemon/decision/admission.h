// The door: may this handshake come in, and as whom? Pure but for the limits that it draws from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/connection.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/limits.h"
#include "daemon/decision/proof.h"
#include "daemon/decision/rejection.h"
#include "daemon/decision/runtime.h"
#include "daemon/protocol/handshake.h"
#include "daemon/protocol/http_head.h"
#include "daemon/protocol/traceparent.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"

namespace wayleave {

// A place among so many; see Broker::take_seat.
struct Seat {
    std::string key;
    int64_t most = 1;
};

struct Identified;

struct Admitted {
    const dsl::Route* route = nullptr;
    dsl::Facts facts;
    const dsl::Alias* alias = nullptr;   // the old address that was asked for, or null
    bool expired_alias = false;          // it is past its date
    dsl::NodeId verdict = dsl::never;    // the rule that let it in
    dsl::AtomBits answers;               // to the questions that are settled for this connection
    uint32_t token = 0;                  // number in the policy's tokens plus one; 0: none
    uint64_t key = 0;                    // see Proof
    std::string user;                    // may be empty
    bool nameless = false;               // see Identified
    std::optional<Credential> shown;     // see Identified
    std::optional<Trace> trace;          // that the client has begun
    std::string protocol;                // to be answered; may be empty
    int64_t expires_ms = 0;              // wall time; 0: never
    std::vector<std::string> entered;    // keys of `limit connections`: the session gives them back
    std::vector<Seat> connection_slots;  // to be taken: the oldest makes room
    std::vector<std::shared_ptr<const HeldPlace>> places;  // among those of all nodes: likewise of `entered`
    // Who brings a message by POST: it may be that he shows a new token. Null at the other doors.
    std::shared_ptr<const Identified> who = nullptr;
};

struct TurnedAway {
    const dsl::Route* route = nullptr;  // null: no address matched
    Rejection rejection;
    dsl::Facts facts;         // as far as they became known
    bool identified = false;  // the claims are known
    bool judged = false;      // it came to the rules: all facts are known
    bool foreign = false;     // by its origin: whoever sits at the browser need know nothing of it
    std::string user = {};    // may be empty; also of a token that is signed and not accepted
    bool nameless = false;    // see Identified
    dsl::NodeId verdict = dsl::never;
};

// Somebody else must be asked first. When the answer is there, the handshake goes through admit() again.
struct Waiting {
    Credential question;
    std::optional<Trace> trace = {};
};

using Admission = std::variant<Admitted, TurnedAway, Waiting>;

// What a handshake that waited brings with it.
struct Resumed {
    std::vector<AnsweredProof> answers;
};

// For whom a door is: clients, or the servers that use an `api`, for which no rule about connecting exists,
// or a message for a connection that is open, which only has to come from the same client: it draws from no
// limit of connecting, unless a backend must be asked for it, and uses up no token; or a plain request for a
// backend, which counts as a connection while it lasts, and takes nobody's place.
enum class AdmissionKind : uint8_t { route, api, post, request };

// RFC 9110 9.2.1, of what is passed on: without an Origin it is a link.
[[nodiscard]] bool is_safe(std::string_view method);

// `bans` may be null: then nobody is.
[[nodiscard]] Admission admit(const Runtime& runtime, LimitTable& limits, const BanTable* bans,
                              const Peer& peer, const HttpHead& head, const Upgrade& upgrade,
                              uint64_t connection, Now now, AdmissionKind kind = AdmissionKind::route,
                              const Resumed* resumed = nullptr);

// Draws from a limit of a rate. Nothing, or why not.
[[nodiscard]] std::optional<Rejection> draw(const dsl::Program& program, const dsl::Limit& limit,
                                            const dsl::Request& request, LimitTable& limits, Now now,
                                            int64_t cost = 1);

// Enters a limit of how many there may be at one time, and notes the key to be given back. Nothing, or why
// not.
[[nodiscard]] std::optional<Rejection> enter(const dsl::Program& program, const dsl::Limit& limit,
                                             const dsl::Request& request, LimitTable& limits,
                                             std::vector<std::string>& entered);

}  // namespace wayleave
