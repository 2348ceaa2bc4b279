// The versions of the libraries that only the edge sees.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace wayleave {

// Name and version, as they run.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> edge_library_versions();

}  // namespace wayleave
