// `stream` and `alias … stream`: what they may say, and how they are laid out.
#include <catch2/catch.hpp>

#include "dsl/format/format.h"
#include "dsl/policy/difference.h"
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
    CHECK(Compiled(policy_with("stream a to app \"/x\"", "https://a.example")).policy);
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
        {"proxy to app \"/x?user={room}\"", "E003"},
    };
    for (const auto& [text, expected] : cases) {
        INFO(text);
        CHECK(summary_of(text).find(expected) != std::string::npos);
    }
    CHECK(Compiled(policy_with("proxy to app", "wss://a.example")).policy);
}

TEST_CASE("a set in a stream's condition is not its block") {
    const auto laid_out = [](const std::string& text) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("p.route", text, sources, diagnostics);
        return format(sources, 0, diagnostics).value();
    };
    for (const std::string text :
         {"route r /r {\n    stream a to app \"/a\" if user.plan in { \"x\", \"y\" }\n"
          "    alias /old stream a until 2999-01-01\n}\n",
          "route r /r {\n    stream a to app \"/a\" if user.plan in { \"x\" } {\n"
          "        max_message = 1kb\n        deny if message.type in { \"b\" }\n    }\n}\n"}) {
        CHECK(laid_out(text) == text);
    }
}

TEST_CASE("a difference says what becomes of who is connected") {
    const auto told = [](const std::string& before, const std::string& after) {
        const Compiled was(before);
        const Compiled is(after);
        REQUIRE(was.policy);
        REQUIRE(is.policy);
        std::vector<std::string> out;
        for (const SectionChange& change : difference(*was.policy, *is.policy))
            out.insert(out.end(), change.consequences.begin(), change.consequences.end());
        return out;
    };
    using Lines = std::vector<std::string>;
    const std::string a = "stream a to app \"/a\" alias /old/:room stream a ";
    const std::string none = policy_with("");
    CHECK(told(policy_with(a), policy_with(a)).empty());
    CHECK(told(none, policy_with(a)) ==
          Lines{"stream a: opened for who connects from now on; who is connected now comes again for it",
                "alias /old/:room: open from now on, to clients that speak the stream a alone"});
    CHECK(told(policy_with(a), policy_with(a + "stream b to app \"/b\"")) ==
          Lines{"stream b: opened at once for who is connected"});
    CHECK(told(policy_with(a), none) ==
          Lines{"stream a: closed at once for who has it (1000, policy_changed)",
                "alias /old/:room: who came by it is closed, unless another address of the policy has it"});
    CHECK(told(policy_with("stream a to app \"/a\""),
               policy_with("stream a to app \"/b\" if user.sub != \"x\"")) ==
          Lines{"stream a: opened anew for who has it, where it leads now",
                "stream a: opened or closed at once for who is connected, as its condition says now"});
    CHECK(told(policy_with("stream a to app \"/a\""),
               policy_with("stream a to app \"/a\"", "http://127.0.0.1:2")) ==
          Lines{"stream a: opened anew for who has it, where it leads now"});
    CHECK(told(none, policy_with("proxy to app \"/p\"")) ==
          Lines{"proxy: who is connected is closed, since another speaks here now (policy_changed)"});
    CHECK(told(policy_with("proxy to app \"/p\""), policy_with("proxy to app \"/q\"")) ==
          Lines{"proxy: who is connected stays with the backend that he has; it is for who comes"});
    CHECK(told(none, policy_with("on_policy_change = close " + a)).empty());
    CHECK(told(policy_with("alias /o/:room"), policy_with("on_policy_change = keep")).empty());
}

}  // namespace wayleave::dsl
