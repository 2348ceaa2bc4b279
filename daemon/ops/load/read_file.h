// Reads a small regular file whole. Blocking I/O: start-up, reload and the command line only.
#pragma once

#include <cstddef>
#include <string>

#include "dsl/text/result.h"

namespace wayleave {

// Error: the reason alone, such as "No such file or directory"; the caller names the path. A directory, a
// device or a file of more than `most` bytes is an error.
[[nodiscard]] Result<std::string> read_whole_file(const std::string& path, size_t most);

// The same for a name inside an open directory, and a symbolic link is an error.
[[nodiscard]] Result<std::string> read_whole_file_at(int directory, const std::string& name, size_t most);

// A secret, without the end of its line. Error: "SETTING: PATH: what is wrong; what to do"; a file that
// others can read is no secret.
[[nodiscard]] Result<std::string> read_secret(const std::string& setting, const std::string& path);

}  // namespace wayleave
