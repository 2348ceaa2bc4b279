#include <fmt/format.h>
#include <sysexits.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "daemon/cli/policy_options.h"
#include "daemon/cli/terminal.h"
#include "daemon/explain/test_run.h"

namespace wayleave {

namespace {

constexpr int some_failed = 1;

struct TestOptions {
    PolicyOptions policy;
    std::string junit;
    double fail_under = 0;
    bool quiet = false;
};

bool write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    if (file) return true;
    complain(path + ": " + std::strerror(errno) + "; the results could not be written");
    return false;
}

std::string report(const TestRun& run, bool quiet) {
    std::string out;
    for (const TestResult& result : run.results) {
        if (quiet && result.failures.empty()) continue;
        out += fmt::format("{}  {}\n", result.failures.empty() ? "ok    " : "FAILED", result.title);
        for (const TestFailure& failure : result.failures)
            out += fmt::format("        {}: {}\n", failure.place, failure.text);
    }
    for (const RuleCoverage& rule : run.rules) {
        if (!rule.decided) out += fmt::format("never decided: {}\n", rule.place);
    }
    return out + fmt::format("{} {}, {} failed; {:.0f} % of {} {} decided\n", run.results.size(),
                             run.results.size() == 1 ? "test" : "tests", run.failed(), run.coverage(),
                             run.rules.size(), run.rules.size() == 1 ? "rule" : "rules");
}

int test(const TestOptions& options) {
    const auto loaded = policy_or_complain(options.policy, Purpose::ask);
    if (!loaded) return loaded.error();
    const Runtime& runtime = *loaded->runtime;
    const TestRun run = run_tests(runtime, runtime.policy->tests, read_clocks());
    write_text(stdout, report(run, options.quiet));
    if (!options.junit.empty() && !write_file(options.junit, junit_of(run))) return exit_broken;
    if (run.coverage() < options.fail_under) {
        complain(fmt::format("{:.1f} % of the rules decided in a test; at least {} % are asked for",
                             run.coverage(), options.fail_under));
        return some_failed;
    }
    return run.failed() > 0 ? some_failed : EX_OK;
}

}  // namespace

void add_test(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("test", "Run the test blocks of a policy; no daemon is needed.");
    auto options = std::make_shared<TestOptions>();
    command
        ->add_option("-c,--config", options->policy.config,
                     "Settings file; without PATH it says where the policy is")
        ->type_name("FILE");
    command->add_option("--fail-under", options->fail_under, "Fail if fewer percent of the rules decided")
        ->type_name("PERCENT")
        ->check(CLI::Range(0.0, 100.0));
    command->add_option("--junit", options->junit, "Write the results as JUnit XML, too")->type_name("FILE");
    command->add_flag("-q,--quiet", options->quiet, "Name only the tests that fail");
    command->add_option("PATH", options->policy.paths, "Files, or directories of *.route files");
    command->footer(std::string("Without PATH and --config: ") + default_config +
                    "\nExit status: 0 all tests pass, 1 some fail, 2 the policy is broken, 64 wrong usage.");
    command->callback([options, &exit_code] { exit_code = test(*options); });
}

}  // namespace wayleave
