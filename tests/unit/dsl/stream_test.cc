// `stream` and `alias … stream`: what they may say, and how they are laid out.
#include <catch2/catch.hpp>

#include "dsl/format/format.h"
#include "tests/unit/dsl/compiled.h"

namespace wayleave::dsl {
namespace {

std::string policy_with(const std::string& text, const std::string& backend = "http://127.0.0.1:1") {
    return "token t { keys = file \"k\" from cookie \"s\" claim sub : string required }\n"
           "backend app { url = \"" +
           backend +
           "\" }\n"
           "route r /r/:room { auth = t origins = { none } allow connect\n" +
           text + "\n}\n";
}

std::string summary_of(const std::string& text) {
    return Compiled(policy_with(text)).summary();
}

}  // namespace

TEST_CASE("a stream is compiled with all that narrows it") {
    Compiled made(policy_with(R"(
        deny message if message.size > 9kb
        stream a to app "/a/{room}/{user.sub}/" on first use if user.sub != "eve" {
            let big = 4kb
            max_message = big
            limit messages to 3/s per connection
            deny if message.binary because "text"
        }
        stream b to app "/b"
        alias /old/:room stream b until 2999-01-01)"));
    CHECK(made.summary().empty());
    const Route& route = *made.policy->routes.front();
    REQUIRE(route.streams.size() == 2);
    const Stream& first = route.streams.front();
    CHECK(first.name == "a");
    CHECK(first.on_first_use);
    CHECK(first.max_message == 4096);
    CHECK(first.limits.size() == 1);
    CHECK(first.to.pieces.size() == 3);
    CHECK(route.clauses[first.decision].size() == 2);
    CHECK_FALSE(route.streams.back().on_first_use);
    CHECK(route.clauses[route.streams.back().decision].size() == 1);
    REQUIRE(made.policy->aliases.size() == 1);
    CHECK(made.policy->aliases.begin()->second.stream == "b");
}

TEST_CASE("what a stream may not say") {
    const std::pair<const char*, const char*> cases[] = {
        {"stream a to app \"/x\" stream a to app \"/y\"", "E005"},
        {"stream a to nobody \"/x\"", "E012"},
        {"stream a to app \"x\"", "E003"},
        {"stream a to app \"/{user.nothing}\"", "E002"},
        {"stream a to app \"/x\" if message.binary", "E004"},
        {"stream a to app \"/x\" { allow }", "E004"},
        {"stream a to app \"/x\" { deny on room/a }", "E004"},
        {"stream a to app \"/x\" { max_queue = 4kb }", "E008"},
        {"stream a to app \"/x\" { max_message = 5s }", "E003"},
        {"stream a to app \"/x\" { field n : int required }", "E0"},
        {"stream a to app \"/x\" { limit connects to 3/s per ip }", "E004"},
        {"stream a to app \"/x\" on second use", "E0"},
        {"stream a to app \"/x\" alias /y/:room stream b", "E002"},
        {"dialect = \"echo\" stream a to app \"/x\"", "E024"},
    };
    for (const auto& [text, expected] : cases) {
        INFO(text);
        CHECK(summary_of(text).find(expected) != std::string::npos);
    }
    CHECK(Compiled(policy_with("stream a to app \"/x\"", "https://a.example")).policy->later.empty());
}

TEST_CASE("a proxied route is nothing else") {
    Compiled made(policy_with("proxy to app \"/a/{room}\" if user.sub == \"ann\" proxy to app"));
    CHECK(made.summary().empty());
    const Route& route = *made.policy->routes.front();
    REQUIRE(route.proxies.size() == 2);
    CHECK(route.proxies.front().to.pieces.size() == 1);
    CHECK(route.proxies.back().to.path.empty());
    const std::pair<const char*, const char*> cases[] = {
        {"proxy to app join news", "E024"},
        {"proxy to app stream a to app \"/x\"", "E024"},
        {"proxy to app message m { allow }", "E024"},
        {"proxy to app dialect = \"echo\"", "E024"},
        {"proxy to app max_message = 4kb", "E008"},
        {"proxy to app compression = true", "E008"},
        {"proxy to app limit messages to 3/s per ip", "E004"},
        {"proxy to nobody", "E012"},
        {"proxy to app \"x\"", "E003"},
    };
    for (const auto& [text, expected] : cases) {
        INFO(text);
        CHECK(summary_of(text).find(expected) != std::string::npos);
    }
    CHECK(Compiled(policy_with("proxy to app", "wss://a.example")).policy->later.empty());
}

}  // namespace wayleave::dsl
