// What a backend's answer means for the client who is waiting for it: nothing, a reply, orders, a no, or that
// there is no answer. The media type decides, never the members. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/backend.h"
#include "dsl/text/result.h"

namespace wayleave {

struct OrderedClose {
    uint16_t code = 0;
    std::string because;
    bool reconnect = false;
};

// The body of `application/wayleave+json`. JSON texts as they were sent, without blanks between tokens.
struct BackendOrders {
    std::string reply;                     // empty: none
    std::vector<std::string> publish;      // objects, as POST /publish of an api takes them
    std::vector<std::string> send;         // objects with a `type`, for the session alone
    std::vector<std::string> subscribe;    // channels
    std::vector<std::string> unsubscribe;  // likewise
    std::optional<OrderedClose> close;
};

struct BackendReply {
    enum class Kind : uint8_t {
        nothing,
        reply,
        orders,
        refused,      // a 4xx: the backend's no
        unavailable,  // no answer, or one that means nothing
    };

    Kind kind = Kind::nothing;
    std::string reply;  // JSON text
    BackendOrders orders;
    // Of a no.
    int status = 0;
    std::string error;    // the backend's own word for it, fit for a client; may be empty
    std::string because;  // likewise a sentence; of `unavailable`, for the log alone
    int64_t retry_after_ms = 0;
};

[[nodiscard]] BackendReply read_reply(const BackendAnswer& answer);

// The same of a question that has a yes and a no. Only what is surely a yes is one.
struct BackendRuling {
    enum class Kind : uint8_t { yes, no, unavailable };

    Kind kind = Kind::unavailable;
    int64_t believed_ms = 0;   // a yes: for how long
    std::string error = {};    // of a no: the backend's own word for it, fit for a client; may be empty
    std::string because = {};  // likewise a sentence; of `unavailable`, for the log alone
};

[[nodiscard]] BackendRuling read_ruling(const BackendAnswer& answer);

}  // namespace wayleave
