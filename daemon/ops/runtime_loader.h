// From settings to a Runtime: reads and compiles the policy, the key files and the static files, and looks at
// the files that only a start uses. The one way for serve, lint and reload. Blocking I/O: never on a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/runtime.h"
#include "daemon/ops/settings.h"
#include "dsl/diagnostic.h"
#include "dsl/source.h"

namespace wayleave {

struct LoadedRuntime {
    std::shared_ptr<const Runtime> runtime;  // null if there is any error
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    std::vector<std::string> problems;  // errors that stand in no policy file: "PATH: what is wrong; remedy"
    std::vector<std::string> warnings;  // likewise

    [[nodiscard]] size_t errors() const { return diagnostics.errors() + problems.size(); }
    // Everything there is to say, for a person; empty when there is nothing.
    [[nodiscard]] std::string render(bool colour) const;
};

// What a policy is loaded for.
enum class Purpose : uint8_t { run, look };

[[nodiscard]] LoadedRuntime load_runtime(const Settings& settings, uint64_t generation);

// Only the policy and its keys: *.route files, or directories of them.
[[nodiscard]] LoadedRuntime load_policy_paths(const std::vector<std::string>& paths);

}  // namespace wayleave
