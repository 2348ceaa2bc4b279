// Where the policy is that a command asks about: named files, or what the settings say.
#pragma once

#include <string>
#include <vector>

#include "daemon/cli/commands.h"
#include "daemon/ops/load/runtime_loader.h"
#include "dsl/text/result.h"

namespace wayleave {

struct PolicyOptions {
    std::string config;
    std::vector<std::string> paths;
};

// The policy without any error, or complaints on standard error and the exit code 2.
[[nodiscard]] Result<LoadedRuntime, int> policy_or_complain(const PolicyOptions& options, Purpose purpose);

}  // namespace wayleave
