// Wayleave-Signature: by which a backend knows that a request comes from its own wayleave.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dsl/text/result.h"

namespace wayleave {

// "t=1700000000,v1=HEX": HMAC-SHA-256 over the lines time, method, path (with what is before it in the
// backend's url) and the body. Nothing if OpenSSL has no HMAC.
[[nodiscard]] Result<std::string> signature_of(std::string_view secret, int64_t wall_ms,
                                               std::string_view method, std::string_view path,
                                               std::string_view body);

}  // namespace wayleave
