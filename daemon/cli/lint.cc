#include <fmt/format.h>
#include <sysexits.h>
#include <time.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/cli/commands.h"
#include "daemon/cli/terminal.h"
#include "daemon/ops/lint/report.h"
#include "daemon/ops/load/start_files.h"
#include "dsl/text/catalogue.h"
#include "dsl/text/near_name.h"

namespace wayleave {

namespace {

constexpr int found_warnings = 1;  // with --strict
constexpr int found_errors = 2;

struct LintOptions {
    std::string config;
    std::string format = "text";
    std::string explain;
    bool strict = false;
    std::vector<std::string> paths;
};

// A day of the calendar is where the machine is.
int64_t today() {
    const time_t now = time(nullptr);
    struct tm local {};
    localtime_r(&now, &local);
    return (static_cast<int64_t>(now) + local.tm_gmtoff) / 86'400;
}

int explain(const std::string& wanted) {
    if (const dsl::Check* check = dsl::find_check(wanted)) {
        write_text(stdout, dsl::page(*check));
        return EX_OK;
    }
    std::vector<std::string_view> known;
    for (const dsl::Check& check : dsl::catalogue()) {
        known.push_back(check.id);
        known.push_back(check.name);
    }
    const std::string_view near = near_name(wanted, known);
    complain(fmt::format("there is no check `{}`{}", wanted,
                         near.empty() ? "; `wayleave lint` shows the id of each finding in brackets"
                                      : fmt::format("; did you mean `{}`?", near)));
    return EX_USAGE;
}

int show(const LintReport& report, const LintOptions& options) {
    write_text(stdout, options.format == "json"    ? lint_json(report, WAYLEAVE_VERSION)
                       : options.format == "sarif" ? lint_sarif(report, WAYLEAVE_VERSION)
                                                   : lint_text(report, colour_wanted(stdout)));
    if (report.errors() > 0) return found_errors;
    return options.strict && report.warnings() > 0 ? found_warnings : EX_OK;
}

// Named paths are looked at alone; the settings are then only checked if they are named, too.
int lint(const LintOptions& options) {
    LintReport report;
    if (!options.paths.empty() && options.config.empty()) {
        report.loaded = lint_policy_paths(options.paths, {std::nullopt, today()});
        return show(report, options);
    }
    const auto settings = load_settings(options.config.empty() ? default_config : options.config);
    if (!settings) {
        report.settings_errors = settings.error();
    } else if (options.paths.empty()) {
        report.loaded = lint_runtime(*settings, today());
        StartFiles files = look_at_start_files(*settings);
        for (auto [from, to] : {std::pair{&files.problems, &report.loaded.problems},
                                std::pair{&files.warnings, &report.loaded.warnings}})
            to->insert(to->end(), from->begin(), from->end());
    } else {
        report.loaded = lint_policy_paths(options.paths, surroundings_of(*settings, today()));
    }
    return show(report, options);
}

}  // namespace

void add_lint(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "lint", "Check settings, policy files and keys, and what is allowed but not meant.");
    auto options = std::make_shared<LintOptions>();
    command
        ->add_option("-c,--config", options->config,
                     "Settings file; without PATH it says where the policy is")
        ->type_name("FILE");
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json", "sarif"}))
        ->capture_default_str();
    command->add_flag("--strict", options->strict, "Exit with 1 if there are warnings");
    auto* page = command->add_option("--explain", options->explain, "Print the page of a check, such as W301")
                     ->type_name("ID");
    command->add_option("PATH", options->paths, "Files, or directories of *.route files")->excludes(page);
    command->footer(std::string("Without PATH and --config: ") + default_config +
                    "\nExit status: 0 no errors, 1 warnings with --strict, 2 errors, 64 wrong usage.");
    command->callback([options, page, &exit_code] {
        exit_code = page->count() > 0 ? explain(options->explain) : lint(*options);
    });
}

}  // namespace wayleave
