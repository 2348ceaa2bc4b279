// What `wayleave lint` found, as text for people and as JSON or SARIF 2.1.0 for programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/ops/load/runtime_loader.h"

namespace wayleave {

struct LintReport {
    LoadedRuntime loaded;
    std::vector<std::string> settings_errors;  // as load_settings() gives them

    [[nodiscard]] size_t errors() const { return loaded.errors() + settings_errors.size(); }
    [[nodiscard]] size_t warnings() const { return loaded.diagnostics.warnings() + loaded.warnings.size(); }
};

// What stands in no policy file: a mistake in the settings (E101) or in a file that they name (E102), and
// what does not fit them (W121).
struct Finding {
    std::string_view id;
    std::string_view severity;  // "error" or "warning"
    std::string file;
    size_t line = 0;  // 0: not known
    size_t column = 0;
    std::string message;
    std::string help;
};
[[nodiscard]] std::vector<Finding> findings_beside(const LintReport& report);

// Ends with a line that counts, or says that there is nothing.
[[nodiscard]] std::string lint_text(const LintReport& report, bool colour);

// One document; wayleave(8) describes its members.
[[nodiscard]] std::string lint_json(const LintReport& report, std::string_view version);

[[nodiscard]] std::string lint_sarif(const LintReport& report, std::string_view version);

}  // namespace wayleave
