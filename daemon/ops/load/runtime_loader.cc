#include "daemon/ops/load/runtime_loader.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "daemon/explain/test_run.h"
#include "daemon/identity/credential_file.h"
#include "daemon/identity/key_set.h"
#include "daemon/identity/webhook_key.h"
#include "daemon/ops/load/client_address.h"
#include "daemon/ops/load/identity_services.h"
#include "daemon/ops/load/read_file.h"
#include "daemon/ops/load/static_files.h"
#include "daemon/ops/load/token_verifier.h"
#include "daemon/ops/settings/value.h"
#include "dsl/compile/compile.h"
#include "dsl/policy/policy.h"
#include "dsl/syntax/load.h"
#include "dsl/text/text.h"

namespace wayleave {

namespace {

constexpr size_t max_list_bytes = 16U << 20U;  // of a file that a policy names as a list

std::string_view number_of(KeyError::Kind kind) {
    if (kind == KeyError::Kind::exposed) return "E017";
    return kind == KeyError::Kind::weak ? "E016" : "E013";
}

std::string_view label_of(KeyError::Kind kind) {
    if (kind == KeyError::Kind::exposed) return "this file is a secret";
    return kind == KeyError::Kind::weak ? "this key is not good enough" : "named here";
}

void add_key_error(std::string_view of, dsl::Span span, const KeyError& error,
                   dsl::Diagnostics& diagnostics) {
    diagnostics.error(number_of(error.kind), span, std::string(of) + error.what,
                      std::string(label_of(error.kind)), error.remedy);
}

// In the order of Policy::backends.
using LoadedBackends = std::vector<std::shared_ptr<const Backend>>;

template <class T>
T setting(const dsl::BackendDecl& backend, std::string_view name, T otherwise) {
    const auto it = backend.settings.find(name);
    return it == backend.settings.end() ? otherwise : std::get<T>(it->second.held);
}

// A backend may speak WebSocket at one path and HTTP at another: ws:// is http:// then.
std::string http_url(std::string url) {
    if (url.starts_with("ws")) url.replace(0, 2, "http");
    while (url.ends_with('/')) url.pop_back();
    return url;
}

LoadedBackends load_backends(const dsl::Policy& policy, dsl::Diagnostics& diagnostics) {
    LoadedBackends out;
    for (const dsl::BackendDecl& declared : policy.backends) {
        Backend backend;
        backend.name = declared.name;
        backend.url = http_url(setting<std::string>(declared, "url", ""));
        if (backend.url.starts_with("unix:")) {
            backend.socket = backend.url.substr(5);
            backend.url = "http://localhost";
        }
        backend.timeout_ms = setting(declared, "timeout", backend.timeout_ms);
        backend.retries = static_cast<uint32_t>(setting<int64_t>(declared, "retries", backend.retries));
        backend.concurrency =
            static_cast<uint32_t>(setting<int64_t>(declared, "concurrency", backend.concurrency));
        backend.break_after =
            static_cast<uint32_t>(setting<int64_t>(declared, "break_after", backend.break_after));
        backend.break_for_ms = setting(declared, "break_for", backend.break_for_ms);
        if (setting<std::string>(declared, "body", "envelope") == "message")
            backend.body = BackendBody::message;
        if (!declared.sign_path.empty()) {
            auto keys = read_webhook_keys(declared.sign_path);
            if (!keys) add_key_error("signing key ", declared.sign_span, keys.error(), diagnostics);
            if (keys) backend.sign = std::move(*keys);
        }
        for (const dsl::Scalar& name : setting<std::vector<dsl::Scalar>>(declared, "pass_cookies", {}))
            backend.pass_cookies.push_back(std::get<std::string>(name));
        out.push_back(std::make_shared<const Backend>(std::move(backend)));
    }
    return out;
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

// The algorithms that the policy allows, each of which some key must have: one that is written but cannot
// work is a mistake, above all an HMAC algorithm beside public keys.
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

void tell_left_out(const dsl::TokenDecl& token, const KeySet& keys, dsl::Diagnostics& diagnostics) {
    for (const KeyError& key : keys.left_out()) {
        diagnostics.note("N507", token.keys_span, token.keys_path + ": " + key.what + ", and is left out",
                         "named here", key.remedy);
    }
}

std::optional<TokenTrust> load_key_file(const dsl::TokenDecl& token, dsl::Diagnostics& diagnostics) {
    auto keys = KeySet::load(token.keys_path);
    if (!keys) {
        add_key_error("key file ", token.keys_span, keys.error(), diagnostics);
        return std::nullopt;
    }
    auto allowed = allowed_algorithms(token, *keys, diagnostics);
    if (!allowed) return std::nullopt;
    tell_left_out(token, *keys, diagnostics);
    return FileKeys{std::move(*keys), std::move(*allowed)};
}

// Only what runs as the daemon fetches anything: `identity_services` is null for all others.
TokenTrust keys_at_url(const dsl::TokenDecl& token, IdentityServices* identity_services) {
    UrlKeys out;
    if (identity_services) out.keys = identity_services->keys_at(token.keys_url);
    for (const std::string& name : token.algorithms) {
        if (const auto algorithm = algorithm_from(name)) out.allowed.push_back(*algorithm);
    }
    return out;
}

TokenTrust backend_of(const dsl::TokenDecl& token, const LoadedBackends& backends,
                      IdentityServices* identity_services) {
    AskedBackend out;
    out.from = token.from;
    if (identity_services) {
        out.backend =
            Introspection::create({backends.at(token.check->backend), token.check->path, token.cache_ms,
                                   identity_services->backends, identity_services->checks});
    }
    return out;
}

std::shared_ptr<const TokenVerifier> load_trust(const dsl::Policy& policy, const LoadedBackends& backends,
                                                IdentityServices* identity_services,
                                                dsl::Diagnostics& diagnostics) {
    std::vector<TokenTrust> tokens;
    for (const dsl::TokenDecl& token : policy.tokens) {
        if (token.check) {
            tokens.push_back(backend_of(token, backends, identity_services));
        } else if (!token.keys_url.empty()) {
            tokens.push_back(keys_at_url(token, identity_services));
        } else if (token.keys_path.empty()) {  // a certificate: the listener has verified it
            tokens.push_back(FileKeys{});
        } else if (auto trust = load_key_file(token, diagnostics)) {
            tokens.push_back(std::move(*trust));
        }
    }
    return std::make_shared<const PolicyVerifier>(
        std::move(tokens), identity_services ? identity_services->token_cache : nullptr);
}

// Keys are not read: tests and questions say what the claims are.
std::shared_ptr<const TokenVerifier> no_trust(const dsl::Policy& policy) {
    std::vector<TokenTrust> tokens;
    for (const dsl::TokenDecl& token : policy.tokens) {
        if (token.check) {
            tokens.push_back(AskedBackend{nullptr, token.from});
        } else if (!token.keys_url.empty()) {
            tokens.push_back(UrlKeys{});
        } else {
            tokens.push_back(FileKeys{});
        }
    }
    return std::make_shared<const PolicyVerifier>(std::move(tokens));
}

Result<std::string> read_list(const std::string& path) {
    const auto located = locate_file(path);
    return located ? read_whole_file(*located, max_list_bytes) : located;
}

GatewaySettings gateway_settings(const Settings& settings) {
    ProxyTrust proxies{settings.trusted_proxies, ForwardedHeader::none};
    proxies.unix_sockets = std::erase(proxies.networks, dsl::Net{{}, 128}) > 0;
    if (settings.forwarded == "x-forwarded-for") proxies.header = ForwardedHeader::x_forwarded_for;
    if (settings.forwarded == "forwarded") proxies.header = ForwardedHeader::forwarded;
    proxies.proto = settings.forwarded_proto;
    return {.proxies = std::move(proxies),
            .max_queue_bytes = settings.max_queue_bytes,
            .max_queue_messages = settings.max_queue_messages,
            .max_queue_age_ms = settings.max_queue_age.count(),
            .message_timeout_ms = settings.message_timeout.count(),
            .handshake_timeout_ms = settings.handshake_timeout.count(),
            .close_timeout_ms = settings.close_timeout.count(),
            .drain_ms = settings.drain.count(),
            .broker_timeout_ms = settings.broker_timeout.count(),
            .log_connections = settings.log_connections};
}

// Null where lint has not been asked for.
using Lint = const dsl::LintSurroundings*;

// Keys are not needed: tests say what the claims are.
dsl::TestCoverage coverage_of(const dsl::Policy& policy) {
    Runtime runtime;
    runtime.policy = std::shared_ptr<const dsl::Policy>(std::shared_ptr<void>(), &policy);
    runtime.verifier = no_trust(policy);
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
                                    IdentityServices* identity_services, LoadedRuntime& loaded) {
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
        runtime->verifier = no_trust(*policy);
    } else if (policy) {
        runtime->backends = load_backends(*policy, loaded.diagnostics);
        runtime->backend_service = identity_services ? &identity_services->backends : nullptr;
        runtime->verifier = load_trust(*policy, runtime->backends, identity_services, loaded.diagnostics);
        if (identity_services) runtime->used_tokens = identity_services->used_tokens;
        if (identity_services) runtime->idempotency = identity_services->idempotency;
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
        if (address) return address->loopback;
        return !listener.unix_path().empty();  // what a service manager will pass is not known
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

void load_certificates(const Settings& settings, LoadedRuntime& loaded) {
    for (const ListenerSettings& listener : settings.listeners) {
        auto& side = loaded.tls.emplace_back();
        if (listener.certificate.empty()) continue;
        TlsOptions options{listener.more_certificates, listener.client_ca,
                           listener.client_certificate == "required"};
        options.certificates.insert(options.certificates.begin(), {listener.certificate, listener.key});
        auto read = TlsSide::load(options);
        if (!read) {
            loaded.problems.push_back(read.error());
            continue;
        }
        side = std::move(*read);
        for (const TlsSide::Certificate& certificate : side->certificates()) {
            std::string ending = ending_soon(certificate, read_clocks().wall_ms);
            if (!ending.empty()) loaded.warnings.push_back(std::move(ending));
        }
    }
}

// A token that nobody can bring is most likely a setting that was forgotten.
void warn_of_certificates(const Settings& settings, const dsl::Policy& policy,
                          std::vector<std::string>& warnings) {
    const bool asked = std::any_of(settings.listeners.begin(), settings.listeners.end(),
                                   [](const auto& listener) { return !listener.client_ca.empty(); });
    if (asked) return;
    for (const dsl::TokenDecl& token : policy.tokens) {
        for (const dsl::TokenSource& source : token.from) {
            if (source.kind != dsl::SourceKind::certificate) continue;
            warnings.push_back("the token `" + token.name +
                               "` comes from certificates, and no listener asks for them; set client_ca");
        }
    }
}

// It is written for somebody, and nobody can reach it.
void warn_of_unserved_apis(const Settings& settings, const dsl::Policy& policy,
                           std::vector<std::string>& warnings) {
    const auto serves = [&](std::string_view whom) {
        return std::any_of(settings.listeners.begin(), settings.listeners.end(),
                           [&](const auto& listener) { return listener.serves(whom); });
    };
    if (settings.listeners.empty() || serves("api")) return;
    for (const auto& api : policy.apis)
        warnings.push_back("the api `" + api->name + "` (" + api->place +
                           ") is served by no listener; add \"api\" to the `serve` of one");
}

// It is for the console, which is served there alone.
void warn_of_unused_token(const Settings& settings, std::vector<std::string>& warnings) {
    if (settings.admin_token_file.empty() || !settings.admin_address.empty() || !settings.admin_name.empty())
        return;
    warnings.push_back(
        "admin.token_file is set, and no address serves the console; set admin.address, or "
        "remove admin.token_file");
}

// At least once is a promise that memory cannot keep.
void warn_of_forgetful_notices(const Settings& settings, const dsl::Policy& policy,
                               std::vector<std::string>& warnings) {
    if (settings.broker == "sqlite") return;
    for (const auto& route : policy.routes) {
        if (route->notifies.empty()) continue;
        warnings.push_back("the route `" + route->name + "` (" + route->notifies.front().place +
                           ") tells a backend who comes and goes, and a restart loses what has not arrived; "
                           "set broker.kind = \"sqlite\"");
        return;
    }
}

// Nobody makes it: a directory that is missing is most likely misspelt. Anything else that the storage may
// refuse is known when it is opened.
void check_storage(const Settings& settings, std::vector<std::string>& problems) {
    if (settings.broker != "sqlite") return;
    std::filesystem::path directory = std::filesystem::path(settings.broker_path).parent_path();
    if (directory.empty()) directory = ".";
    std::error_code error;
    const auto status = std::filesystem::status(directory, error);
    if (status.type() != std::filesystem::file_type::not_found) return;
    problems.push_back("broker.path: " + settings.broker_path + ": the directory " + directory.string() +
                       " does not exist; make it, or name another");
}

void require_route(const std::string& path, const dsl::Policy& policy, std::vector<std::string>& problems) {
    if (!policy.routes.empty() || !policy.apis.empty()) return;
    problems.push_back(path + ": the policy has no route, so nobody could connect; is a file missing?");
}

LoadedRuntime load(const Settings& settings, uint64_t generation, Lint lint,
                   IdentityServices* identity_services);

}  // namespace

std::string ending_soon(const TlsSide::Certificate& certificate, int64_t wall_ms) {
    constexpr int64_t day_s = 86'400;
    constexpr int64_t soon_s = 14 * day_s;
    const int64_t left_s = certificate.expires_s - wall_ms / 1000;
    if (left_s > soon_s) return {};
    if (left_s <= 0) return certificate.path + ": the certificate has expired; renew it, then reload";
    const int64_t days = left_s / day_s;
    return certificate.path + ": the certificate expires in " +
           (days == 0   ? "less than a day"
            : days == 1 ? "a day"
                        : std::to_string(days) + " days") +
           "; renew it, then reload";
}

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

LoadedRuntime load_runtime(const Settings& settings, uint64_t generation,
                           IdentityServices* identity_services) {
    return load(settings, generation, nullptr, identity_services);
}

LoadedRuntime lint_runtime(const Settings& settings, int64_t today) {
    const dsl::LintSurroundings surroundings = surroundings_of(settings, today);
    return load(settings, 0, &surroundings, nullptr);
}

dsl::LintSurroundings surroundings_of(const Settings& settings, int64_t today) {
    return {dsl::LintSurroundings::Listeners{all_loopback(settings), !settings.trusted_proxies.empty()},
            today};
}

namespace {

LoadedRuntime load(const Settings& settings, uint64_t generation, Lint lint,
                   IdentityServices* identity_services) {
    LoadedRuntime loaded;
    const auto runtime =
        load_parts({settings.policy_directory}, Purpose::run, lint, identity_services, loaded);
    StaticFiles files;
    if (!settings.static_directory.empty()) {
        auto read = load_static_files(settings.static_directory);
        if (read) {
            files = std::move(*read);
        } else {
            loaded.problems.push_back(read.error());
        }
    }
    load_certificates(settings, loaded);
    check_storage(settings, loaded.problems);
    if (!runtime) return loaded;
    require_route(settings.policy_directory, *runtime->policy, loaded.problems);
    if (!settings.client_path.empty())
        serve_client(settings.client_path, *runtime->policy, files, loaded.problems);
    if (settings.require_tests) require_tests(*runtime, loaded.problems);
    if (!settings.shadow_directory.empty()) load_shadow(settings, *runtime, loaded.problems);
    if (!lint) warn_of_public_echo(settings, *runtime->policy, loaded.warnings);
    warn_of_certificates(settings, *runtime->policy, loaded.warnings);
    warn_of_unserved_apis(settings, *runtime->policy, loaded.warnings);
    warn_of_forgetful_notices(settings, *runtime->policy, loaded.warnings);
    warn_of_unused_token(settings, loaded.warnings);
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
    loaded.runtime = load_parts(paths, purpose, nullptr, nullptr, loaded);
    return loaded;
}

LoadedRuntime lint_policy_paths(const std::vector<std::string>& paths,
                                const dsl::LintSurroundings& surroundings) {
    LoadedRuntime loaded;
    loaded.runtime = load_parts(paths, Purpose::run, &surroundings, nullptr, loaded);
    // A file may be one of several; a directory is a whole policy.
    std::error_code error;
    for (const std::string& path : paths) {
        if (loaded.runtime && std::filesystem::is_directory(path, error))
            require_route(path, *loaded.runtime->policy, loaded.problems);
    }
    return loaded;
}

}  // namespace wayleave
