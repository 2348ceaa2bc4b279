// What a policy says about backends: where they are, what they may order, what is forwarded and told to them.
#include <catch2/catch.hpp>

#include "dsl/policy/canonical.h"
#include "tests/unit/dsl/compiled.h"

using namespace wayleave::dsl;

namespace {

const std::string backend = "backend app { url = \"http://127.0.0.1:8000\" }\n";

std::string in_message(const std::string& text) {
    return backend +
           "token t { keys = file \"k\" from header \"A\" claim sub : string required "
           "claim pin : string required secret claim tags : set of string required }\n"
           "route r /r/:place { auth = t origins = { none } allow connect\n"
           "message m { field room : string required field n : int required allow\n" +
           text + "\n} }";
}

std::string in_route(const std::string& text) {
    return backend + "route r /r/:place { auth = none allow connect\n" + text + "\n}";
}

}  // namespace

TEST_CASE("mistakes about backends are named") {
    struct Case {
        std::string text;
        std::string expected;
    };
    for (const Case& c : {
             Case{in_message("forward to app \"/x/{room}/{user.sub}/{place}/{n}\""), ""},
             Case{in_message("forward to app \"/x/{zebra}\""), "E002"},
             Case{in_message("forward to app \"/x/{room\""), "E003"},
             Case{in_message("forward to app \"/x/{}\""), "E003"},
             Case{in_message("forward to app \"/x/{user.}\""), "E003"},
             Case{in_message("forward to app \"/x/{user.tags}\""), "E003"},
             Case{in_message("forward to app \"/x/{user.pin}\""), "E028"},
             Case{in_message("forward to nobody \"/x\""), "E012"},
             Case{in_message("forward to app \"x\""), "E003"},
             Case{in_message("forward to app \"/x\" if n > 3 forward to app \"/y\""), ""},
             Case{in_message("forward to app \"/x\" forward to app \"/y\""), "E020"},
             Case{in_message("ordered = true forward to app \"/x\""), ""},
             Case{in_message("ordered = true"), "E027"},
             Case{in_route("notify app \"/x/{place}\" on connect, disconnect after 5s"), ""},
             Case{in_route("notify app \"/x\" on connect after 5s"), "E027"},
             Case{in_route("notify app \"/x\" on disconnect after 2h"), "E003"},
             Case{in_route("notify app \"/x\" on connect, connect"), "E020"},
             Case{"backend b { url = \"unix:/run/b.sock\" allow publish on a/** deny publish on a/b because "
                  "\"no\" "
                  "allow disconnect } route r /r { auth = none notify b \"/x\" on connect }",
                  ""},
             Case{"backend b { url = \"unix:b.sock\" }", "E003"},
             Case{"backend b { url = \"unix:/" + std::string(120, 'a') + "\" }", "E003"},
             Case{"backend b { url = \"http://b\" allow connect }", "E001"},
             Case{"backend b { url = \"http://b\" allow publish on a if true }", "E001"},
             Case{"backend b { url = \"http://b\" allow publish on a/{x} }", "E001"},
             Case{"backend b { url = \"http://b\" allow publish on a/**/b }", "E001"},
             Case{"backend b { url = \"http://b\" deny publish then drop }", "E001"},
             Case{"backend b { url = \"http://b\" allow disconnect on a }", "E001"},
             Case{
                 backend + "token u { check = app \"/w/{x}\" from cookie \"c\" claim sub : string required }",
                 "E003"},
         }) {
        INFO(c.text);
        Compiled made(c.text);
        const std::string summary = made.summary();
        INFO(summary);
        const bool clean = summary.find("E0") == std::string::npos;
        CHECK((c.expected.empty() ? clean : summary.find(c.expected) != std::string::npos));
    }
}

TEST_CASE("whatever a backend is told or may order is part of what the policy means") {
    const auto hash = [](const std::string& text) {
        Compiled made(text);
        INFO(made.summary());
        REQUIRE(made.policy);
        return made.policy->hash;
    };
    const std::string one = in_message("forward to app \"/x/{room}\" if n > 3 forward to app \"/y\"");
    CHECK(hash(one) == hash(one));
    for (const char* other : {"forward to app \"/x/{user.sub}\" if n > 3 forward to app \"/y\"",
                              "forward to app \"/x/{room}\" if n > 4 forward to app \"/y\"",
                              "forward to app \"/x/{room}\" if n > 3",
                              "ordered = true forward to app \"/x/{room}\" if n > 3 forward to app \"/y\"",
                              "forward to app \"/y\" if n > 3 forward to app \"/x/{room}\""}) {
        INFO(other);
        CHECK(hash(one) != hash(in_message(other)));
    }
    const std::string told = in_route("notify app \"/x\" on connect, disconnect");
    CHECK(hash(told) == hash(in_route("notify app \"/x\" on disconnect, connect")));
    CHECK(hash(told) != hash(in_route("notify app \"/x\" on disconnect, connect after 1s")));
    CHECK(hash(told) != hash(in_route("notify app \"/x\" on disconnect")));
    const auto ordering = [](const std::string& rules) {
        return "backend app { url = \"http://b\" " + rules +
               " } route r /r { auth = none notify app \"/x\" on connect }";
    };
    CHECK(hash(ordering("allow publish on a deny publish on b")) ==
          hash(ordering("deny publish on b allow publish on a")));
    CHECK(hash(ordering("allow publish on a")) != hash(ordering("allow publish on b")));
    CHECK(hash(ordering("allow publish on a")) != hash(ordering("deny publish on a")));
    CHECK(hash(ordering("allow publish on a")) != hash(ordering("allow subscribe on a")));
    CHECK(hash(ordering("")) != hash(ordering("allow disconnect")));
}
