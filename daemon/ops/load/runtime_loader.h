// From settings to a Runtime: reads and compiles the policy, the key files and the static files, and looks at
// the files that only a start uses. The one way for serve, lint and reload. Blocking I/O: never on a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/decision/runtime.h"
#include "daemon/edge/tls_side.h"
#include "daemon/ops/settings/settings.h"
#include "dsl/lint/lint.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave {

class IdentityServices;

struct LoadedRuntime {
    std::shared_ptr<const Runtime> runtime;  // null if there is any error
    // The certificates of each of Settings::listeners; null for one without TLS.
    std::vector<std::shared_ptr<const TlsSide>> tls;
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    std::vector<std::string> problems;  // errors that stand in no policy file: "PATH: what is wrong; remedy"
    std::vector<std::string> warnings;  // likewise
    std::shared_ptr<const dsl::Statements> statements;  // of lint alone

    [[nodiscard]] size_t errors() const { return diagnostics.errors() + problems.size(); }
    // Everything there is to say, for a person; empty when there is nothing.
    [[nodiscard]] std::string render(bool colour) const;
};

// A sentence about a certificate that has expired, or will within 14 days; else empty.
[[nodiscard]] std::string ending_soon(const TlsSide::Certificate& certificate, int64_t wall_ms);

// What a policy is loaded for: to be run; to be looked at; to be asked, where nobody brings a signed token
// and keys are not read.
enum class Purpose : uint8_t { run, look, ask };

// `identity_services` is what the daemon lends to the policies that it runs; without it nothing is ever
// fetched, and no token is used up.
[[nodiscard]] LoadedRuntime load_runtime(const Settings& settings, uint64_t generation,
                                         IdentityServices* identity_services = nullptr);

// Only the policy and its keys: *.route files, or directories of them.
[[nodiscard]] LoadedRuntime load_policy_paths(const std::vector<std::string>& paths,
                                              Purpose purpose = Purpose::look);

// The same two, with all that lint has to say; its `surroundings` are those of the settings. `today` counts
// days since 1970.
[[nodiscard]] LoadedRuntime lint_runtime(const Settings& settings, int64_t today);
[[nodiscard]] LoadedRuntime lint_policy_paths(const std::vector<std::string>& paths,
                                              const dsl::LintSurroundings& surroundings);
[[nodiscard]] dsl::LintSurroundings surroundings_of(const Settings& settings, int64_t today);

}  // namespace wayleave
