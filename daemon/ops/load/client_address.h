// The browser client among the files that are served.
#pragma once

#include <string>
#include <vector>

#include "daemon/ops/load/static_files.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// `path` is that of its wayleave.js, the others are beside it. What already has one of these addresses is a
// problem.
void serve_client(const std::string& path, const dsl::Policy& policy, StaticFiles& files,
                  std::vector<std::string>& problems);

}  // namespace wayleave
