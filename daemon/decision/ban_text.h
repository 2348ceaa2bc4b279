// A ban as it is told to other nodes: JSON. What comes from there is read as hostile. Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/decision/bans.h"
#include "dsl/text/result.h"

namespace wayleave {

// Without its key, and without how long it lasts.
[[nodiscard]] std::string write_ban(const BanNews& news);
[[nodiscard]] Result<BanNews> read_ban(std::string_view text);

}  // namespace wayleave
