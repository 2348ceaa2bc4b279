// The files that `wayleave init` writes, as they stand in templates/.
#pragma once

#include <string_view>

namespace wayleave {

// "chat.route"; empty: there is none of that name.
[[nodiscard]] std::string_view init_template(std::string_view name);

}  // namespace wayleave
