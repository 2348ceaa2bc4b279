// A key in a file of its own.
#pragma once

#include <string>

namespace wayleave {

// With mode 0600. A file that is there is never overwritten: it may be the key that tokens in use are signed
// with. Complains and gives an exit code: 73, 74, or 0 for success.
[[nodiscard]] int write_key(const std::string& path, const std::string& text);

}  // namespace wayleave
