// wayleave: one program, one subcommand for each thing it does.
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/commands.h"
#include "daemon/cli/terminal.h"
#include "daemon/ops/server/process.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace {

// Whether the first word is no command; then that is said. CLI11 would only ask for one.
bool unknown_command(const CLI::App& app, const std::string& word) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    if (word.starts_with('-') || std::find(names.begin(), names.end(), word) != names.end()) return false;
    const std::vector<std::string_view> known(names.begin(), names.end());
    const std::string_view near = wayleave::near_name(word, known);
    wayleave::complain("there is no command " + wayleave::dsl::quoted(word) +
                       (near.empty() ? "; `wayleave --help` lists them"
                                     : "; did you mean " + wayleave::dsl::quoted(near) + "?"));
    return true;
}

int run(int argc, char** argv) {
    CLI::App app{"Configuration-driven WebSocket daemon.", "wayleave"};
    app.set_version_flag("--version", "wayleave " WAYLEAVE_VERSION);
    app.require_subcommand(1);

    int exit_code = EX_OK;
    wayleave::add_serve(app, exit_code);
    wayleave::add_init(app, exit_code);
    wayleave::add_lint(app, exit_code);
    wayleave::add_explain(app, exit_code);
    wayleave::add_doctor(app, exit_code);
    wayleave::add_test(app, exit_code);
    wayleave::add_diff(app, exit_code);
    wayleave::add_types(app, exit_code);
    wayleave::add_fmt(app, exit_code);
    wayleave::add_reload(app, exit_code);
    wayleave::add_status(app, exit_code);
    wayleave::add_sessions(app, exit_code);
    wayleave::add_top(app, exit_code);
    wayleave::add_channels(app, exit_code);
    wayleave::add_why(app, exit_code);
    wayleave::add_trace(app, exit_code);
    wayleave::add_log(app, exit_code);
    wayleave::add_kick(app, exit_code);
    wayleave::add_nodes(app, exit_code);
    wayleave::add_bans(app, exit_code);
    wayleave::add_drain(app, exit_code);
    wayleave::add_reopen(app, exit_code);
    wayleave::add_publish(app, exit_code);
    wayleave::add_progress(app, exit_code);
    wayleave::add_settings(app, exit_code);
    wayleave::add_bench(app, exit_code);
    wayleave::add_token(app, exit_code);
    wayleave::add_version(app, exit_code);
    wayleave::add_completions(app, exit_code);
    app.footer(
        "Each command has a --help of its own. See wayleave(8), wayleave.toml(5) and wayleave.route(5).");

    try {
        app.parse(argc, argv);
        return exit_code;
    } catch (const CLI::ParseError& error) {
        if (argc > 1 && unknown_command(app, argv[1])) return EX_USAGE;
        return app.exit(error) == 0 ? EX_OK : EX_USAGE;  // --help and --version come this way, too
    }
}

}  // namespace

// As early as can be: a reload that is asked for before the daemon listens is done then, and does not end it.
int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "serve") wayleave::block_signals();
    try {
        const int exit_code = run(argc, argv);
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
        wayleave::complain("standard output takes no more; what was written is not whole");
        return exit_code == EX_OK ? EX_IOERR : exit_code;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "wayleave: a bug, please report it: %s\n", error.what());
        return EX_SOFTWARE;
    }
}
