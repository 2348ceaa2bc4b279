#include "daemon/cli/policy_options.h"

#include "daemon/cli/terminal.h"

namespace wayleave {

Result<LoadedRuntime, int> policy_or_complain(const PolicyOptions& options, Purpose purpose) {
    std::vector<std::string> paths = options.paths;
    if (paths.empty()) {
        const auto settings = settings_or_complain(options.config.empty() ? default_config : options.config);
        if (!settings) return failure(exit_broken);
        paths = {settings->policy_directory};
    }
    LoadedRuntime loaded = load_policy_paths(paths, purpose);
    if (loaded.runtime) return loaded;
    write_text(stderr, loaded.render(colour_wanted(stderr)));
    return failure(exit_broken);
}

}  // namespace wayleave
