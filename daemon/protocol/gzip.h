// Bodies of requests that come with Content-Encoding: gzip (RFC 1952). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wayleave {

enum class GunzipError : unsigned char { broken, too_big };

// What comes out, never more than `most` bytes of it: a small body can hold a very large one.
struct Gunzipped {
    std::string text;
    std::optional<GunzipError> error;
};
[[nodiscard]] Gunzipped gunzip(std::string_view body, size_t most);

}  // namespace wayleave
