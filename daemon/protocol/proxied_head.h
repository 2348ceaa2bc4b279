// What a proxy makes of the heads that pass it (RFC 9110 7.6, RFC 9112 6.3): which fields go on, and where a
// response's body ends. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/protocol/http_head.h"
#include "daemon/protocol/response_head.h"

namespace wayleave {

// Lines of the request's fields that go on to a backend: without those of the hop alone (RFC 9110 7.6.1), and
// without those that are ours to say. What a client claims about itself in our words must not reach a backend
// that believes us.
[[nodiscard]] std::string fields_for_backend(const HttpHead& head);
// Lines of the response's fields that go on to a client, without those of the hop and the framing.
[[nodiscard]] std::string fields_for_client(const ResponseHead& head);

// A path as it was sent, where RFC 3986 3.3 has a word for it; what stands in it unencoded and may not is
// encoded. Its encoded characters are known to be whole.
[[nodiscard]] std::string path_for_backend(std::string_view written);

struct ResponseFraming {
    enum class Kind : uint8_t { none, length, chunked, until_close };
    Kind kind = Kind::none;
    uint64_t length = 0;
};
using FramingResult = std::variant<ResponseFraming, ResponseRefusal>;

// Of a final response. What could end in two places is refused, so that the next response on the client's
// connection begins where he thinks that it does. `to_head`: the request was a HEAD.
[[nodiscard]] FramingResult framing_of(const ResponseHead& head, bool to_head);

}  // namespace wayleave
