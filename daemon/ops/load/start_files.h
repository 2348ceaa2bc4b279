// Files beside the policy's that a start opens: the console's token, and the log. Blocking I/O.
#pragma once

#include <string>
#include <vector>

#include "daemon/ops/settings/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

// Of a file that nobody else can read. Error: what is wrong with the setting.
[[nodiscard]] Result<std::string> read_console_token(const std::string& path);

struct StartFiles {
    std::vector<std::string> problems;  // with which the daemon does not start: "SETTING: PATH: what; remedy"
    std::vector<std::string> warnings;  // likewise: who else may read or write what is written there
};
// Nothing is opened for writing: who looks may be another user than the daemon.
[[nodiscard]] StartFiles look_at_start_files(const Settings& settings);

}  // namespace wayleave
