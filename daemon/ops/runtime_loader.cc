#include "daemon/ops/runtime_loader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/edge/tls_files.h"
#include "daemon/explain/test_run.h"
#include "daemon/identity/key_set.h"
#include "daemon/ops/read_file.h"
#include "daemon/ops/settings_value.h"
#include "daemon/ops/static_files.h"
#include "daemon/ops/token_verifier.h"
#include "dsl/compile.h"
#include "dsl/load.h"
#include "dsl/policy.h"
#include "dsl/text.h"

namespace wayleave {

namespace {

constexpr size_t max_list_bytes = 16U << 20U;  // of a file that a policy names as a list

// What is wrong with a key file comes as a sentence. A key that is readable but too weak, or of a kind that
// we do not verify with, is another kind of mistake than a file that is not there or holds something else.
std::string_view diagnostic_of(std::string_view sentence) {
    if (sentence.ends_with("(E017)")) return "E017";
    const bool weak = sentence.find("at least") != std::string_view::npos ||
                      sentence.find("not supported") != std::string_view::npos;
    return weak ? "E016" : "E013";
}

std::string_view label_of(std::string_view id) {
    if (id == "E017") return "this file is a secret";
    return id == "E016" ? "this key is not good enough" : "named here";
}

// "PATH: what; remedy" to a diagnostic: the remedy is the help.
void add_key_error(const dsl::TokenDecl& token, std::string sentence, dsl::Diagnostics& diagnostics) {
    const std::string_view id = diagnostic_of(sentence);
    if (id == "E017") sentence.resize(sentence.size() - std::string_view(" (E017)").size());
    std::string help;
    if (const size_t end = sentence.find("; "); end != std::string::npos) {
        help = sentence.substr(end + 2);
        sentence.resize(end);
    }
    diagnostics.error(id, token.keys_span, "key file " + sentence, std::string(label_of(id)),
                      std::move(help));
}

std::vector<Algorithm> algorithms_of(const KeySet& keys) {
    std::vector<Algorithm> found;
    for (const VerifyKey& key : keys.keys()) {
        if (std::find(found.begin(), found.end(), key.algorithm()) == found.end())
            found.push_back(key.algorithm());
    }
    return found;
}

std::string names_of(const std::vector<Algorithm>& algorithms) {
    std::string text;
    for (const Algorithm algorithm : algorithms) {
        if (!text.empty()) text += ", ";
        text += to_string(algorithm);
    }
    return text;
}

// The algorithms that the policy allows, each of which some key must have: what is written but cannot work is
// a mistake, above all an HMAC algorithm beside public keys.
std::optional<std::vector<Algorithm>> allowed_algorithms(const dsl::TokenDecl& token, const KeySet& keys,
                                                         dsl::Diagnostics& diagnostics) {
    const std::vector<Algorithm> held = algorithms_of(keys);
    if (token.algorithms.empty()) return held;
    std::vector<Algorithm> allowed;
    for (const std::string& name : token.algorithms) {
        const auto algorithm = algorithm_from(name);
        if (algorithm && std::find(held.begin(), held.end(), *algorithm) != held.end()) {
            allowed.push_back(*algorithm);
            continue;
        }
        diagnostics.error(
            "E016", token.algorithms_span, "no key of " + token.keys_path + " is for " + name,
            "its keys are for " + names_of(held),
            "the algorithm follows from the key: leave `algorithms` out, or name " + names_of(held));
        return std::nullopt;
    }
    return allowed;
}

std::shared_ptr<const TokenVerifier> load_keys(const dsl::Policy& policy, dsl::Diagnostics& diagnostics) {
    std::vector<TokenKeys> tokens;
    for (const dsl::TokenDecl& token : policy.tokens) {
        if (token.keys_path.empty()) {  // a backend or a URL is asked: not executed yet
            tokens.emplace_back();
            continue;
        }
        auto keys = KeySet::load(token.keys_path);
        if (!keys) {
            add_key_error(token, keys.error(), diagnostics);
            continue;
        }
        auto allowed = allowed_algorithms(token, *keys, diagnostics);
        if (allowed) tokens.push_back({std::move(*keys), std::move(*allowed)});
    }
    return std::make_shared<const KeyFileVerifier>(std::move(tokens));
}

Result<std::string> read_list(const std::string& path) {
    return read_whole_file(path, max_list_bytes);
}

GatewaySettings gateway_settings(const Settings& settings) {
    return {.max_queue_bytes = settings.max_queue_bytes,
            .max_queue_messages = settings.max_queue_messages,
            .max_queue_age_ms = settings.max_queue_age.count(),
            .message_timeout_ms = settings.message_timeout.count(),
            .handshake_timeout_ms = settings.handshake_timeout.count(),
            .close_timeout_ms = settings.close_timeout.count(),
            .drain_ms = settings.drain.count()};
}

// What this version would not do although the policy says it: an error for who wants to run it, a warning for
// who only asks about it.
void name_later(const dsl::Policy& policy, Purpose purpose, dsl::Diagnostics& diagnostics) {
    for (const dsl::Later& later : policy.later) {
        std::string text = dsl::quoted(later.what) + " is not executed by this version yet";
        if (purpose == Purpose::run) {
            diagnostics.error("E025", later.span, std::move(text), {},
                              "it is checked, but nothing would come of it: take it out to run the policy");
        } else {
            diagnostics.warning("E025", later.span, std::move(text), "the daemon refuses to start with it");
        }
    }
}

// Null where lint has not been asked for.
using Lint = const dsl::LintSurroundings*;

// Keys are not needed: tests say what the claims are.
dsl::TestCoverage coverage_of(const dsl::Policy& policy) {
    Runtime runtime;
    runtime.policy = std::shared_ptr<const dsl::Policy>(std::shared_ptr<void>(), &policy);
    runtime.verifier = std::make_shared<const KeyFileVerifier>(std::vector<TokenKeys>(policy.tokens.size()));
    const TestRun run = run_tests(runtime, policy.tests, read_clocks());
    dsl::TestCoverage out;
    out.routes = run.routes;
    for (const RuleCoverage& rule : run.rules) {
        if (rule.decided) out.rules.insert(rule.place);
    }
    return out;
}

// Policy and keys. Null if there was an error.
std::shared_ptr<Runtime> load_parts(const std::vector<std::string>& paths, Purpose purpose, Lint lint,
                                    LoadedRuntime& loaded) {
    for (const std::string& path : paths) dsl::load_policy(path, loaded.sources, loaded.diagnostics);
    std::shared_ptr<const dsl::Policy> policy;
    if (lint) {
        dsl::LintSurroundings surroundings = *lint;
        surroundings.coverage = coverage_of;
        surroundings.style = true;
        auto linted = dsl::compile_and_lint(loaded.sources, read_list, surroundings, loaded.diagnostics);
        policy = std::move(linted.policy);
        loaded.statements = std::move(linted.statements);
    } else {
        policy = dsl::compile(loaded.sources, read_list, loaded.diagnostics);
    }
    auto runtime = std::make_shared<Runtime>();
    if (policy && purpose == Purpose::ask) {
        runtime->verifier =
            std::make_shared<const KeyFileVerifier>(std::vector<TokenKeys>(policy->tokens.size()));
    } else if (policy) {
        runtime->verifier = load_keys(*policy, loaded.diagnostics);
        name_later(*policy, purpose, loaded.diagnostics);
    }
    loaded.diagnostics.sort();
    if (loaded.diagnostics.errors() > 0) return nullptr;
    runtime->policy = std::move(policy);
    return runtime;
}

// The policy does what its author wrote down that it should, or it is not run.
void require_tests(const Runtime& runtime, std::vector<std::string>& problems) {
    if (runtime.policy->tests.empty()) {
        problems.emplace_back(
            "policy.require_tests is set, and the policy has no test; write one, see wayleave.route(5)");
    }
    if (questions(runtime.policy->tests) > most_questions_of_daemon) {
        problems.push_back(
            "policy.require_tests: the tests ask more than " + std::to_string(most_questions_of_daemon) +
            " questions (`times` counts); make them fewer, or run `wayleave test` before the reload");
        return;
    }
    for (const TestResult& result : run_tests(runtime, runtime.policy->tests, read_clocks()).results) {
        for (const TestFailure& failure : result.failures)
            problems.push_back(failure.place + ": test " + dsl::quoted(result.title) + ": " + failure.text);
    }
}

// Its keys are not read: it never decides who somebody is.
void load_shadow(const Settings& settings, Runtime& runtime, std::vector<std::string>& problems) {
    constexpr double million = 1'000'000;
    const LoadedRuntime shadow = load_policy_paths({settings.shadow_directory}, Purpose::ask);
    if (!shadow.runtime) {
        problems.push_back("policy.shadow: the shadow policy is broken; mend it or remove the setting\n" +
                           shadow.render(false));
        return;
    }
    runtime.shadow = shadow.runtime->policy;
    runtime.shadow_per_million = static_cast<uint32_t>(settings.shadow_share * million);
}

std::string counted(size_t count, std::string_view noun) {
    return std::to_string(count).append(" ").append(noun).append(count == 1 ? "" : "s");
}

bool all_loopback(const Settings& settings) {
    return std::all_of(settings.listeners.begin(), settings.listeners.end(), [](const auto& listener) {
        const auto address = parse_socket_address(listener.address);
        return !address || address->loopback;
    });
}

// A route that answers everybody with what he sends is for tests. Lint says it as W312.
void warn_of_public_echo(const Settings& settings, const dsl::Policy& policy,
                         std::vector<std::string>& warnings) {
    if (all_loopback(settings)) return;
    for (const auto& route : policy.routes) {
        if (route->dialect != dsl::Dialect::echo) continue;
        warnings.push_back(
            route->place + ": the route `" + route->name +
            "` echoes, and a listener can be reached from other machines; keep echo routes to loopback");
    }
}

LoadedRuntime load(const Settings& settings, uint64_t generation, Lint lint);

}  // namespace

std::string LoadedRuntime::render(bool colour) const {
    std::string text;
    for (const dsl::Diagnostic& diagnostic : diagnostics.all()) {
        text += dsl::render(diagnostic, sources, colour) + "\n";
    }
    for (const std::string& problem : problems) text += "error: " + problem + "\n\n";
    for (const std::string& warning : warnings) text += "warning: " + warning + "\n\n";
    if (text.empty()) return text;
    if (diagnostics.hidden() > 0) text += std::to_string(diagnostics.hidden()) + " more are not shown\n";
    return text + counted(errors(), "error") + ", " +
           counted(diagnostics.warnings() + warnings.size(), "warning") + "\n";
}

LoadedRuntime load_runtime(const Settings& settings, uint64_t generation) {
    return load(settings, generation, nullptr);
}

LoadedRuntime lint_runtime(const Settings& settings, int64_t today) {
    const dsl::LintSurroundings surroundings = surroundings_of(settings, today);
    return load(settings, 0, &surroundings);
}

dsl::LintSurroundings surroundings_of(const Settings& settings, int64_t today) {
    return {dsl::LintSurroundings::Listeners{all_loopback(settings), false}, today};
}

namespace {

LoadedRuntime load(const Settings& settings, uint64_t generation, Lint lint) {
    LoadedRuntime loaded;
    const auto runtime = load_parts({settings.policy_directory}, Purpose::run, lint, loaded);
    StaticFiles files;
    if (!settings.static_directory.empty()) {
        auto read = load_static_files(settings.static_directory);
        if (read) {
            files = std::move(*read);
        } else {
            loaded.problems.push_back(read.error());
        }
    }
    for (const ListenerSettings& listener : settings.listeners) {
        if (listener.certificate.empty()) continue;
        const auto checked = check_tls_files({listener.certificate, listener.key});
        if (!checked) loaded.problems.push_back(checked.error());
    }
    if (!runtime) return loaded;
    if (runtime->policy->routes.empty() && runtime->policy->apis.empty()) {
        loaded.problems.push_back(settings.policy_directory +
                                  ": the policy has no route, so nobody could connect; is a file missing?");
    }
    if (settings.require_tests) require_tests(*runtime, loaded.problems);
    if (!settings.shadow_directory.empty()) load_shadow(settings, *runtime, loaded.problems);
    if (!lint) warn_of_public_echo(settings, *runtime->policy, loaded.warnings);
    if (!loaded.problems.empty()) return loaded;
    runtime->files = std::move(files);
    runtime->settings = gateway_settings(settings);
    runtime->generation = generation;
    loaded.runtime = runtime;
    return loaded;
}

}  // namespace

LoadedRuntime load_policy_paths(const std::vector<std::string>& paths, Purpose purpose) {
    LoadedRuntime loaded;
    loaded.runtime = load_parts(paths, purpose, nullptr, loaded);
    return loaded;
}

LoadedRuntime lint_policy_paths(const std::vector<std::string>& paths,
                                const dsl::LintSurroundings& surroundings) {
    LoadedRuntime loaded;
    loaded.runtime = load_parts(paths, Purpose::look, &surroundings, loaded);
    return loaded;
}

}  // namespace wayleave
