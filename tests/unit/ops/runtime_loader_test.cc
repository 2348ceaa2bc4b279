#include "daemon/ops/load/runtime_loader.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "daemon/identity/sign.h"
#include "dsl/policy/policy.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;

namespace {

// A directory of policy and key files.
class Files : public KeyDirectory {
  public:
    void put(const std::string& name, std::string_view text, mode_t mode = 0600) const {
        (void)write(name, text, mode);
    }
};

std::string policy(const std::string& token_settings) {
    return "token app {\n    " + token_settings +
           "\n    claim sub : string required\n    from header \"Authorization\"\n}\n"
           "route chat example.com/chat {\n    auth = app\n    origins = { \"https://example.com\" }\n"
           "    allow connect\n}\n";
}

Settings settings_of(const Files& directory) {
    Settings settings;
    settings.listeners = {{"127.0.0.1:0", "", ""}};
    settings.policy_directory = directory.path();
    return settings;
}

// The numbers of the errors.
std::vector<std::string> ids(const LoadedRuntime& loaded) {
    std::vector<std::string> found;
    for (const auto& diagnostic : loaded.diagnostics.all()) {
        if (diagnostic.severity == dsl::Severity::error) found.emplace_back(diagnostic.id);
    }
    return found;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("a policy with its keys is loaded, and its tokens verify", "[loader]") {
    const Files directory;
    directory.put("a.route", policy("keys = file \"app.jwks\""));
    const std::string key = directory.write("app.jwks", generate_key(Algorithm::EdDSA).value());
    const LoadedRuntime loaded = load_runtime(settings_of(directory), 7);
    INFO(loaded.render(false));
    REQUIRE(loaded.runtime);
    CHECK(loaded.render(false).empty());
    CHECK(loaded.runtime->generation == 7);
    CHECK(loaded.runtime->policy->routes.size() == 1);

    const auto token = sign_token(key, R"({"sub":"alice"})", "");
    REQUIRE(token);
    const Now now{1000, 1'800'000'000'000};
    const Proof proof = loaded.runtime->verifier->verify({0, 0, *token}, now);
    CHECK(proof.kind == Proof::Kind::good);
    CHECK(proof.payload == R"({"sub":"alice"})");
    CHECK(loaded.runtime->verifier->verify({0, 0, "a.b.c"}, now).kind == Proof::Kind::refused);
}

TEST_CASE("a key file that cannot be used is told at the place that names it", "[loader]") {
    const Files directory;
    directory.put("a.route", policy("keys = file \"app.jwks\""));
    const LoadedRuntime loaded = load_runtime(settings_of(directory), 1);
    CHECK_FALSE(loaded.runtime);
    CHECK_THAT(loaded.render(false), Catch::Contains("a.route:2:12") && Catch::Contains("^^^^"));
}

TEST_CASE("the number tells what is wrong with a key file", "[loader]") {
    const Files directory;
    directory.put("a.route", policy("keys = file \"app.key\""));
    const auto load = [&] { return ids(load_runtime(settings_of(directory), 1)); };
    CHECK(load() == Ids{"E013"});  // not there
    directory.put("app.key", "-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n");
    CHECK(load() == Ids{"E013"});
    directory.put("app.key", "too short a secret");
    CHECK(load() == Ids{"E016"});
    directory.put("app.key", std::string(32, 's'), 0644);
    CHECK(load() == Ids{"E017"});
    directory.put("app.key", std::string(32, 's'));
    CHECK(load().empty());
    // What a sentence says elsewhere is no kind of mistake.
    directory.put("app.key", R"({"keys":[]})");  // "put at least one key into it"
    CHECK(load() == Ids{"E013"});
    directory.put("a.route", policy("keys = file \"at least not supported.key\""));
    CHECK(load() == Ids{"E013"});
    directory.put("app.key",
                  R"({"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})");
    directory.put("a.route", policy("keys = file \"app.key\""));
    CHECK(load() == Ids{"E016"});  // anybody can sign for it
}

TEST_CASE("an algorithm that no key is for", "[loader]") {
    const Files directory;
    directory.put("app.jwks", generate_key(Algorithm::ES256).value());
    directory.put("a.route", policy("keys = file \"app.jwks\"\n    algorithms = { \"HS256\" }"));
    CHECK(ids(load_runtime(settings_of(directory), 1)) == Ids{"E016"});
    directory.put("a.route", policy("keys = file \"app.jwks\"\n    algorithms = { \"ES256\" }"));
    CHECK(load_runtime(settings_of(directory), 1).runtime);
}

TEST_CASE("a key that is left out is told of, and stops nothing", "[loader]") {
    const Files directory;
    directory.put("a.route", policy("keys = file \"app.jwks\""));
    const std::string key = generate_key(Algorithm::ES256).value();
    directory.put("app.jwks",
                  R"({"keys":[{"kty":"AKP","kid":"pq\u001b[1m"},)" + key.substr(key.find('[') + 1));
    const LoadedRuntime loaded = load_runtime(settings_of(directory), 1);
    CHECK(loaded.runtime);
    CHECK(loaded.diagnostics.notes() == 1);
    CHECK_THAT(
        loaded.render(false),
        Catch::Contains(R"(app.jwks: key 1 (kid "pq\x1B[1m"): is of a kind or curve that is not supported)"));
    CHECK(loaded.warnings.empty());
}

TEST_CASE("problems outside of the policy", "[loader]") {
    const Files directory;
    directory.put("a.route", policy("keys = file \"app.jwks\""));
    directory.put("app.jwks", generate_key(Algorithm::EdDSA).value());
    Settings settings = settings_of(directory);
    settings.static_directory = directory.path() + "/none";
    settings.listeners.push_back(
        {"127.0.0.1:1", directory.path() + "/cert.pem", directory.path() + "/key.pem"});
    const LoadedRuntime loaded = load_runtime(settings, 1);
    CHECK_FALSE(loaded.runtime);
    CHECK(loaded.errors() == 2);
    CHECK_THAT(loaded.render(false), Catch::Contains("none: No such file or directory; ") &&
                                         Catch::Contains("cert.pem: No such file or directory; ") &&
                                         Catch::EndsWith("2 errors, 0 warnings\n"));
}

TEST_CASE("a policy without a route would close everybody out: it is not run", "[loader]") {
    const Files directory;
    directory.put("a.route", "let x = 1\n");
    const LoadedRuntime loaded = load_runtime(settings_of(directory), 1);
    CHECK_FALSE(loaded.runtime);
    CHECK_THAT(loaded.render(false), Catch::Contains("the policy has no route, so nobody could connect"));
    CHECK(load_policy_paths({directory.path()}).runtime);  // to look at, it is no mistake
}

TEST_CASE("a file's name steers no terminal", "[loader]") {
    const Files directory;
    directory.put("a\x1b[31m\nb.route", "nonsense\n");
    const std::string text = load_policy_paths({directory.path()}).render(false);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("\nb.route") == std::string::npos);
}

TEST_CASE("an echo route that others can reach is a warning", "[loader]") {
    const Files directory;
    directory.put("a.route",
                  "route echo /echo {\n    auth = none\n    origins = { none }\n    dialect = \"echo\"\n"
                  "    allow connect\n}\n");
    Settings settings = settings_of(directory);
    CHECK(load_runtime(settings, 1).warnings.empty());
    settings.listeners.push_back({"0.0.0.0:80", "", ""});
    const LoadedRuntime loaded = load_runtime(settings, 1);
    CHECK(loaded.runtime);
    REQUIRE(loaded.warnings.size() == 1);
    CHECK_THAT(loaded.warnings[0], Catch::Contains("`echo`"));
}

TEST_CASE("lint looks at single files and directories", "[loader]") {
    const Files directory;
    const std::string file = directory.write("a.route", policy("keys = file \"app.jwks\""));
    directory.put("app.jwks", generate_key(Algorithm::EdDSA).value());
    CHECK(load_policy_paths({file}).runtime);
    CHECK(load_policy_paths({directory.path()}).runtime);
    CHECK(ids(load_policy_paths({directory.path() + "/none"})).size() == 1);
}
