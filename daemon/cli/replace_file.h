// Another content for a file, at once: a reader sees the old text or the new one, never a part.
#pragma once

#include <string>
#include <string_view>

#include "dsl/text/result.h"

namespace wayleave {

// Keeps mode and owner. Of a symbolic link the target is replaced.
[[nodiscard]] Status replace_file(const std::string& path, std::string_view content);

}  // namespace wayleave
