// The subcommands. Each add_…() describes one to CLI11; when it is chosen, it runs and sets the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace wayleave {

constexpr int exit_broken = 2;  // a policy that does not load, or a question that makes no sense

void add_serve(CLI::App& app, int& exit_code);
void add_lint(CLI::App& app, int& exit_code);
void add_explain(CLI::App& app, int& exit_code);
void add_test(CLI::App& app, int& exit_code);
void add_completions(CLI::App& app, int& exit_code);
void add_diff(CLI::App& app, int& exit_code);
void add_types(CLI::App& app, int& exit_code);
void add_fmt(CLI::App& app, int& exit_code);
void add_reload(CLI::App& app, int& exit_code);
void add_status(CLI::App& app, int& exit_code);
void add_bans(CLI::App& app, int& exit_code);
void add_nodes(CLI::App& app, int& exit_code);
void add_progress(CLI::App& app, int& exit_code);
void add_publish(CLI::App& app, int& exit_code);
void add_sessions(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_channels(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_drain(CLI::App& app, int& exit_code);
void add_init(CLI::App& app, int& exit_code);
void add_kick(CLI::App& app, int& exit_code);
void add_log(CLI::App& app, int& exit_code);
void add_reopen(CLI::App& app, int& exit_code);
void add_trace(CLI::App& app, int& exit_code);
void add_why(CLI::App& app, int& exit_code);
void add_settings(CLI::App& app, int& exit_code);
void add_token(CLI::App& app, int& exit_code);
void add_top(CLI::App& app, int& exit_code);
void add_version(CLI::App& app, int& exit_code);

}  // namespace wayleave
