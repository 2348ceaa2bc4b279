#include <fmt/format.h>
#include <sysexits.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/cli/commands.h"
#include "daemon/cli/terminal.h"
#include "daemon/ops/runtime_loader.h"

namespace wayleave {

namespace {

constexpr int found_errors = 2;

struct LintOptions {
    std::string config;
    std::string format = "text";
    std::vector<std::string> paths;
};

int show(const LoadedRuntime& loaded) {
    const std::string text = loaded.render(colour_wanted(stdout));
    const size_t files = loaded.sources.size();
    write_text(stdout,
               text.empty() ? fmt::format("{} {}, no errors\n", files, files == 1 ? "file" : "files") : text);
    return loaded.errors() > 0 ? found_errors : EX_OK;
}

// Named paths are looked at alone; the settings are then only checked if they are named, too.
int lint(const LintOptions& options) {
    if (!options.paths.empty() && options.config.empty()) return show(load_policy_paths(options.paths));
    const auto settings = settings_or_complain(options.config.empty() ? default_config : options.config);
    if (!settings) return found_errors;
    return show(options.paths.empty() ? load_runtime(*settings, 0) : load_policy_paths(options.paths));
}

}  // namespace

void add_lint(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("lint", "Check settings, policy files and keys, as serve and reload do.");
    auto options = std::make_shared<LintOptions>();
    command
        ->add_option("-c,--config", options->config,
                     "Settings file; without PATH it says where the policy is")
        ->type_name("FILE");
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text"}))
        ->capture_default_str();
    command->add_option("PATH", options->paths, "Files, or directories of *.route files");
    command->footer(std::string("Without PATH and --config: ") + default_config +
                    "\nExit status: 0 no errors, 2 errors, 64 wrong usage.");
    command->callback([options, &exit_code] { exit_code = lint(*options); });
}

}  // namespace wayleave
