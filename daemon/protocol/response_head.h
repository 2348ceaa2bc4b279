// The head of one HTTP/1.1 or 1.0 response (RFC 9112 4), parsed as strictly as a request's. A pure function
// over the caller's bytes.
#pragma once

#include <cstddef>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/protocol/http_head.h"

namespace wayleave {

// Views into the buffer that was parsed.
struct ResponseHead {
    int status = 0;           // 100 to 599
    std::string_view phrase;  // may be empty
    bool http10 = false;
    std::vector<HttpField> fields;
    size_t size = 0;  // bytes of the head, with the empty line

    [[nodiscard]] std::string_view field(std::string_view lower_name) const;
    [[nodiscard]] size_t count(std::string_view lower_name) const;
};

struct ResponseRefusal {
    std::string_view reason;  // static text: what is wrong with it
};

using ResponseResult = std::variant<NeedMore, ResponseHead, ResponseRefusal>;

// `bytes` is all that arrived since the head began. After a refusal the connection is good for nothing.
[[nodiscard]] ResponseResult parse_response_head(std::string_view bytes, const HeadLimits& limits);

}  // namespace wayleave
