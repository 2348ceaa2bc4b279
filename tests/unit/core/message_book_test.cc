// How many messages came of each type: what is counted where, over reloads, and within a bound.
#include "daemon/decision/message_book.h"

#include <catch2/catch.hpp>

#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;

namespace {

const std::string policy = R"(
route chat /chat {
    auth = none
    allow connect
    message say, shout { field text : string required  allow  deny if text == "no" }
    message call.* { allow }
    message call.end { allow }
}
)";

uint64_t count_of(const World& world, const std::string& type) {
    const auto counts = world.counters.messages.read();
    const auto found = counts.find({"chat", type});
    return found == counts.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("messages are counted by the block that has their type, refused ones, too") {
    World world(policy);
    const ConnectionId ann = world.connect("/chat");
    for (const char* text :
         {R"({"type":"say","text":"a"})", R"({"type":"shout","text":"no"})", R"({"type":"say"})",
          R"({"type":"call.begin"})", R"({"type":"call.end"})", R"({"type":"nothing"})",
          R"({"type":"other"})", R"({"type":"$presence","channel":"x"})", "no JSON"})
        world.say(ann, text);
    CHECK(count_of(world, "say, shout") == 3);
    CHECK(count_of(world, "call.*") == 1);
    CHECK(count_of(world, "call.end") == 1);
    CHECK(count_of(world, "(other)") == 2);
}

TEST_CASE("counts go on over a reload, and types that are gone are forgotten") {
    MessageBook book;
    World world(policy);
    const dsl::Policy& now = *world.runtime->policy;
    const auto before = book.of(*now.routes[0]);
    before->count(&now.routes[0]->messages[0]);
    before->count(nullptr);
    World other("route chat /chat { auth = none allow connect message say, shout { allow } }");
    book.keep_only(*other.runtime->policy);
    CHECK(book.read().size() == 2);
    const dsl::Route& route = *other.runtime->policy->routes[0];
    book.of(route)->count(&route.messages[0]);
    CHECK(book.read().at({"chat", "say, shout"}) == 2);
    before->count(&now.routes[0]->messages[1]);  // by a connection of the policy before
    CHECK(book.read().size() == 2);
}

TEST_CASE("beyond its bound all types of a route are others") {
    std::string text = "route chat /chat { auth = none  allow connect\n";
    for (size_t i = 0; i < MessageBook::most_types + 10; ++i)
        text += "message m" + std::to_string(i) + " { allow }\n";
    World world(text + "}");
    MessageBook book;
    const dsl::Route& route = *world.runtime->policy->routes[0];
    const auto counters = book.of(route);
    for (const dsl::Message& block : route.messages) counters->count(&block);
    CHECK(book.read().size() == MessageBook::most_types + 1);
    CHECK(book.read().at({"chat", "(other)"}) == 10);
}
