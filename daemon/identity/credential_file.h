// Files that the service manager gives to the daemon and to nobody else: "credential:NAME" is NAME in
// $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=).
#pragma once

#include <string>
#include <string_view>

#include "dsl/text/result.h"

namespace wayleave {

// Any other path is what it was. Error: "what is wrong; what to do".
[[nodiscard]] Result<std::string> locate_file(const std::string& path);

// Whether it is one that the service manager has placed. Such a file is its user's alone by its directory and
// an access list, which makes its mode look as if a group could read it.
[[nodiscard]] bool is_credential(std::string_view path);

}  // namespace wayleave
