// What explain says of a message is what the gateway does with it.
#include <simdjson.h>
#include <catch2/catch.hpp>

#include "../core/gateway_fixture.h"
#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "daemon/explain/test_run.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using dsl::Action;

namespace {

const std::string policy = R"(
defaults { auth = none  origins = { none }  allow connect }
channel few/*    { max_subscribers = 1 }
channel small/*  { max_message = 40b }
channel keyed/*  { conflate = 1s  key = required }
channel kept/*   { history = 10  keep = 1h  dedup = 1m  presence = true }
route chat /chat {
    join home
    max_subscriptions = 3
    max_message = 300b
    limit subscriptions to 2 per connection if channel like "counted/*"
    limit messages to 6/h per connection
    allow subscribe, publish, presence, history on **
    deny  subscribe, publish, presence, history on secret/** because "not for you"
    message say {
        field room : string required
        field text : string required
        allow if text != "spam"
        publish to small/{room}
        publish to keyed/{room} if room == "both"
    }
    message enter { field room : string required  allow
                    subscribe to {room}/x, counted/{room} if room != "secret" and room != "few"
                    subscribe to secret/x if room == "secret"
                    subscribe to few/x if room == "few" }
    message move { field from : string required  field to : string required  allow
                   unsubscribe from counted/{from}
                   subscribe to counted/{to} }
}
)";

struct Attempt {
    Action action;
    std::string target;
    std::string json = {};
};

std::string text_of(const Attempt& attempt) {
    const std::string data = attempt.json.empty() ? "{}" : attempt.json;
    if (attempt.action == Action::message)
        return R"({"type":")" + attempt.target + R"(","$id":1,)" + data.substr(1);
    std::string out = R"({"type":"$)" + std::string(dsl::to_string(attempt.action)) +
                      R"(","$id":1,"channel":")" + attempt.target + '"';
    if (attempt.action == Action::publish) out += ",\"data\":" + data;
    return out + "}";
}

// "allow", or the error and its reason as the client is told.
struct Outcome {
    std::string error;
    std::string because;
    bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << outcome.error << ": " << outcome.because;
}

std::string member(const std::string& text, const std::string& name) {
    simdjson::dom::parser parser;
    std::string_view value;
    if (parser.parse(text)[name].get(value) != simdjson::SUCCESS) return "";
    return std::string(value);
}

Outcome done(World& world, ConnectionId id, const Attempt& attempt) {
    (void)world.frames(id);
    world.say(id, text_of(attempt));
    for (const std::string& text : world.frames(id)) {
        if (text.starts_with("close 1009")) return {"too_big", ""};
        if (member(text, "type") == "$error") return {member(text, "error"), member(text, "because")};
    }
    return {"allow", ""};
}

// By the connection that was opened last.
Outcome explained(World& world, const Attempt& attempt) {
    Outcome out{"nothing", ""};
    size_t next = 0;
    CHECK(world.gateway->walk(
        next,
        [&](const OpenConnection& open) {
            LimitTable scratch(&world.limits);
            const auto keys_of = [&](std::string_view channel) {
                const OpenConnection::Channel* known = open.find(channel);
                return known ? std::optional(known->keys) : std::nullopt;
            };
            const Question question{attempt.action, attempt.target, attempt.json, keys_of};
            const Explanation e = explain(open, question, scratch, world.now, false).explanation;
            out = e.verdict == Verdict::allow ? Outcome{"allow", ""} : Outcome{e.reason, e.because};
        },
        world.now));
    if (out.error == "too_big") out.because.clear();  // a close frame has its own words
    return out;
}

// Says all of them on one connection, and asks about each before.
std::vector<Outcome> compared(const std::vector<Attempt>& attempts) {
    World world(policy);
    const ConnectionId id = world.connect();
    std::vector<Outcome> out;
    for (const Attempt& attempt : attempts) {
        INFO(text_of(attempt));
        const Outcome told = explained(world, attempt);
        const Outcome was = done(world, id, attempt);
        CHECK(told == was);
        out.push_back(was);
    }
    return out;
}

const Outcome allowed{"allow", ""};

}  // namespace

TEST_CASE("explain and the gateway agree on the rules") {
    CHECK(compared({{Action::subscribe, "room/a"},
                    {Action::subscribe, "secret/a"},
                    {Action::publish, "secret/a"},
                    {Action::subscribe, "room//a"},
                    {Action::message, "unheard.of", R"({"n":1})"},
                    {Action::message, "say", R"({"room":"a","text":"spam"})"}})
              .back()
              .error == "forbidden");
}

TEST_CASE("explain and the gateway agree on how many may subscribe") {
    const Outcome many{"limited", "too many subscriptions"};
    SECTION("max_subscriptions, with what is joined") {
        const auto all = compared({{Action::subscribe, "a"},
                                   {Action::subscribe, "b"},
                                   {Action::subscribe, "c"},
                                   {Action::subscribe, "b"}});  // it has it already
        CHECK(all == std::vector<Outcome>{allowed, allowed, many, allowed});
    }
    SECTION("max_subscribers of the channel") {
        World world(policy);
        (void)world.connect();
        const ConnectionId id = world.connect();
        CHECK(world.limits.enter("subscribers few/a", 1));  // as if it were another worker's
        const Attempt attempt{Action::subscribe, "few/a"};
        const Outcome told = explained(world, attempt);
        CHECK(told == done(world, id, attempt));
        CHECK(told == Outcome{"limited", "the channel has as many subscribers as it takes"});
    }
    SECTION("limit subscriptions") {
        const auto all = compared({{Action::subscribe, "counted/a"},
                                   {Action::subscribe, "counted/b"},
                                   {Action::subscribe, "counted/b"},
                                   {Action::subscribe, "counted/c"}});
        CHECK(all == std::vector<Outcome>{allowed, allowed, allowed, many});
    }
}

TEST_CASE("explain and the gateway agree on where a message subscribes its sender") {
    const Outcome many{"limited", "too many subscriptions"};
    const auto enter = [](const std::string& room) {
        return Attempt{Action::message, "enter", "{\"room\":\"" + room + "\"}"};
    };
    const auto move = [](const std::string& from, const std::string& to) {
        return Attempt{Action::message, "move", "{\"from\":\"" + from + "\",\"to\":\"" + to + "\"}"};
    };
    SECTION("max_subscriptions") {
        CHECK(compared({enter("a"), enter("b"), enter("a"), {Action::subscribe, "b"}}) ==
              std::vector<Outcome>{allowed, many, allowed, many});
    }
    SECTION("limit subscriptions, and the place that is left") {
        const auto all = compared(
            {move("x", "a"), move("x", "b"), move("x", "c"), move("a", "c"), move("a", "d"), move("b", "d")});
        CHECK(all == std::vector<Outcome>{allowed, allowed, many, allowed, many, allowed});
    }
    SECTION("denies and channels that are full") {
        World world(policy);
        const ConnectionId id = world.connect();
        CHECK(world.limits.enter("subscribers few/x", 1));
        for (const Attempt& attempt : {enter("secret"), enter("few"), enter("")}) {
            const Outcome told = explained(world, attempt);
            CHECK(told == done(world, id, attempt));
            CHECK_FALSE(told == allowed);
        }
    }
}

TEST_CASE("explain and the gateway agree on what a channel takes") {
    SECTION("size") {
        const auto text = [](size_t size) { return R"({"text":")" + std::string(size, 'x') + "\"}"; };
        CHECK(compared({{Action::publish, "small/a", text(31)}, {Action::publish, "small/a", text(32)}}) ==
              std::vector<Outcome>{allowed,
                                   {"bad_message", "the message has 41 bytes, and its channel takes 40"}});
    }
    SECTION("a key") {
        CHECK(compared({{Action::publish, "keyed/a", R"({"text":"1"})"}}).back() ==
              Outcome{"bad_message", "this channel needs `key`"});
    }
    SECTION("the form of data") {
        CHECK(compared({{Action::publish, "a", R"({"$x":1})"},
                        {Action::publish, "a", R"({"x":1,"x":2})"},
                        {Action::publish, "a", R"({"type":"$x"})"},
                        {Action::publish, "a", "[]"}})
                  .back() == Outcome{"bad_message", "`data` is a JSON object"});
    }
    SECTION("a message that is published to several") {
        const Outcome key{"bad_message", "this channel needs `$key`"};
        const auto all = compared({{Action::message, "say", R"({"room":"a","text":""})"},
                                   {Action::message, "say", R"({"room":"both","text":""})"},
                                   {Action::message, "say", R"({"room":"a","text":"1234567890"})"},
                                   {Action::message, "say", R"({"room":"","text":""})"}});
        CHECK(all[0] == allowed);
        CHECK(all[1] == key);
        CHECK_THAT(all[2].because, Contains("its channel takes 40"));
        CHECK(all[3].because == "a field cannot be part of a channel's name");
    }
    SECTION("presence and history") {
        CHECK(compared({{Action::presence, "kept/a"},
                        {Action::presence, "a"},
                        {Action::history, "kept/a"},
                        {Action::history, "a"},
                        {Action::history, "secret/a"}}) ==
              std::vector<Outcome>{allowed,
                                   {"bad_message", "nobody keeps presence of this channel"},
                                   allowed,
                                   {"bad_message", "this channel keeps no history"},
                                   {"forbidden", "not for you"}});
    }
}

TEST_CASE("explain and the gateway agree on what any message costs") {
    const Attempt hello{Action::publish, "a", R"({"n":1})"};
    const auto all = compared({hello, hello, hello, hello, hello, hello, hello});
    CHECK(all[5] == allowed);
    CHECK(all[6].error == "limited");
    CHECK(compared({{Action::publish, "a", "{\"n\":\"" + std::string(300, 'x') + "\"}"}}).back().error ==
          "too_big");
}

TEST_CASE("tests in a policy know how many may subscribe, and what a channel takes") {
    const std::string tests = policy + R"(
test "bounds" {
    expect limit subscribe "room/a" times 3
    expect limit subscribe "few/a" times 2
    expect deny  publish "keyed/a" { text = "hi" } because "this channel needs `key`"
    expect deny  history "room/a"
}
)";
    Runtime runtime;
    runtime.policy = policy_from(tests);
    runtime.verifier = std::make_shared<OpenVerifier>();
    const TestRun run = run_tests(runtime, runtime.policy->tests, {1'000'000, 1'800'000'000'000});
    for (const TestResult& result : run.results)
        for (const TestFailure& failure : result.failures) CHECK(failure.text == "");
    CHECK(run.results.size() == 1);
}
