// What another policy would make of a connection that is open: the judgement of a reload, and of its
// rehearsal. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/connection_view.h"
#include "daemon/decision/runtime.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"

namespace wayleave {

struct Reevaluation {
    enum class Kind : uint8_t {
        untouched,  // nothing about its route has changed
        stays,      // judged anew, or kept as the route says; it may lose channels
        ends,       // it may not connect any more
        returns,    // it ends, and is invited to come again: only a new handshake can tell
    };

    Kind kind = Kind::untouched;
    bool key_gone = false;                                  // the key of its token was taken away
    std::string because;                                    // of ends and returns
    std::string rule;                                       // the line that decided, or empty
    std::vector<std::pair<std::string, std::string>> lost;  // channels, and why
    std::vector<std::string> joined;
    std::vector<std::string> asked;     // channels where it stays until a backend has been asked anew
    std::optional<dsl::Facts> facts;    // as the other policy needs them; set unless it ends or returns
    const dsl::Route* route = nullptr;  // of the other policy; likewise
};

// What the other policy has where this connection is. A route is its addresses: another name is no other
// route. Where its address leads to another route than it did, that of the same name; it may be null.
[[nodiscard]] const dsl::Route* successor(const dsl::Route& route, const dsl::Facts& facts,
                                          const dsl::Policy& policy);

// The number of its token in the other policy plus one; 0: it has none of that name.
[[nodiscard]] uint32_t token_in(const dsl::Policy& policy, const OpenConnection& before);

// The same policy with other facts: of a client that showed a new token, `open.token`.
[[nodiscard]] Reevaluation reevaluate_with(const OpenConnection& open, dsl::Facts facts);

[[nodiscard]] Reevaluation reevaluate(const OpenConnection& open, const Runtime& next);

}  // namespace wayleave
