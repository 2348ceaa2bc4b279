// `$subscribe` with a token of its own: what it opens, how long, and what a reload makes of it.
#include "daemon/decision/grant.h"
#include "daemon/decision/used_tokens.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string base = R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
token grant { keys = file "g"  claim sub : string required  claim room : string required }
token once { keys = file "o"  single_use = true  claim room : string required }
channel kept/* { history = 10  keep = 1h }
route chat /chat {
    auth = session  origins = { "https://app.example.com", none }
    idle_timeout = 0s  ping_every = 0s
    max_subscriptions = 20
    allow connect
    join lobby/{user.sub}
    allow subscribe on open/*
    allow subscribe on room/:room, kept/:room with grant if grant.room == room and grant.sub == user.sub
    allow subscribe on once/{once.room} with once
    allow publish on **
}
)";

std::string with(const std::string& old, const std::string& fresh) {
    std::string text = base;
    const size_t at = text.find(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), fresh);
}

// A token as the fixture's verifier knows them: its claims. Ends in so many seconds.
std::string grant(const std::string& room, int64_t seconds = 600, const std::string& sub = "ann") {
    return R"({\"sub\":\")" + sub + R"(\",\"room\":\")" + room + R"(\",\"exp\":)" +
           std::to_string(1'700'000'000 + seconds) + "}";
}

struct Granting : World {
    explicit Granting(const std::string& policy = base) : World(policy) {
        runtime->used_tokens = std::make_shared<UsedTokens>();
        ann = connect(as("ann"));
        (void)read(ann);
    }
    static std::string as(const std::string& user) {
        return "/chat?token=%7B%22sub%22:%22" + user + "%22%7D";
    }

    void subscribe(ConnectionId id, const std::string& channel, const std::string& token = "",
                   const std::string& more = "") {
        std::string text = R"({"type":"$subscribe","$id":1,"channel":")" + channel + "\"" + more;
        if (!token.empty()) text += ",\"token\":\"" + token + "\"";
        say(id, text + "}");
    }
    std::string asked(ConnectionId id, const std::string& channel, const std::string& token = "",
                      const std::string& more = "") {
        subscribe(id, channel, token, more);
        return last(id);
    }
    void publish(const std::string& channel) {
        const ConnectionId other = connect(as("bob"));
        say(other, R"({"type":"$publish","channel":")" + channel + R"(","data":{"type":"news"}})");
        gone(other);
    }
    void reload(const std::string& text) {
        auto next = std::make_shared<Runtime>(*runtime);
        next->policy = policy_from(text);
        ++next->generation;
        gateway->replace(next, now);
        later(100);
    }
    // The one question that is out.
    uint64_t question() {
        auto& questions = gateway->actions().questions;
        REQUIRE(questions.size() == 1);
        const uint64_t number = questions.front().number;
        questions.clear();
        return number;
    }
    ConnectionId ann;
};

}  // namespace

TEST_CASE("a grant opens the channel that it names, for the user that it names") {
    Granting world;
    CHECK_THAT(world.asked(world.ann, "room/a"), Contains("\"error\":\"forbidden\""));
    CHECK_THAT(world.asked(world.ann, "room/a", grant("b")), Contains("\"error\":\"forbidden\""));
    CHECK_THAT(world.asked(world.ann, "room/a", grant("a", 600, "bob")), Contains("\"error\":\"forbidden\""));
    CHECK(world.asked(world.ann, "room/a", grant("a")) ==
          R"({"type":"$subscribed","re":1,"channel":"room/a","expires":1700000600})");
    world.publish("room/a");
    CHECK_THAT(world.last(world.ann), Contains("\"type\":\"news\""));
    world.later(100);
    CHECK(world.counters.grants.get() == 1);
    CHECK(world.counters.grant_bytes.get() > 0);
    world.say(world.ann, R"({"type":"$unsubscribe","channel":"room/a"})");
    world.later(100);
    CHECK(world.counters.grants.get() == 0);
    CHECK(world.counters.grant_bytes.get() == 0);
}

TEST_CASE("what is no good grant opens nothing, and changes nothing else") {
    Granting world;
    world.verifier->tokens["late"] = R"({"room":"a","sub":"ann","exp":1600000000})";
    world.verifier->tokens["endless"] = R"({"room":"a","sub":"ann"})";
    world.verifier->tokens["long"] =
        R"({"room":"a","sub":"ann","exp":1800000000,"room":")" + std::string(9000, 'x') + "\"}";
    CHECK_THAT(world.asked(world.ann, "room/a", "bad"),
               Contains("forbidden") && Contains("the signature is wrong"));
    CHECK_THAT(world.asked(world.ann, "room/a", "late"), Contains("the token has expired"));
    CHECK_THAT(world.asked(world.ann, "room/a", "endless"), Contains("the token has no exp"));
    CHECK_THAT(world.asked(world.ann, "room/a", "long"), Contains("forbidden"));
    CHECK_THAT(world.asked(world.ann, "room/a", "", ",\"token\":7"), Contains("bad_message"));
    CHECK_THAT(world.asked(world.ann, "room/a", "", ",\"token\":\"\""), Contains("bad_message"));
    CHECK_THAT(world.asked(world.ann, "open/a"), Contains("$subscribed"));
    // A token that is shown and not good is told of, also where none would be needed.
    CHECK_THAT(world.asked(world.ann, "open/b", "bad"), Contains("forbidden"));
    CHECK(world.counters.grants.get() == 0);
    CHECK(world.counters.connections.get() == 1);
}

// The session's own token says who somebody is; it opens no channel, and a grant is nobody's identity.
TEST_CASE("tokens of one block never pass for those of another") {
    Granting world;
    // The fixture believes every signature; what is asked is which block was asked about it.
    world.verifier->seen.clear();
    world.subscribe(world.ann, "room/a", grant("a"));
    for (const Credential& seen : world.verifier->seen) CHECK(seen.token != 0);
    world.verifier->seen.clear();
    world.say(world.ann, R"({"type":"$auth","$id":2,"token":"{\"sub\":\"ann\"}"})");
    for (const Credential& seen : world.verifier->seen) CHECK(seen.token == 0);
    CHECK_THAT(world.last(world.ann), StartsWith(R"({"type":"$ok")"));
}

TEST_CASE("a rule without a grant decides as ever, and nothing is kept of one") {
    Granting world;
    CHECK(world.asked(world.ann, "open/a", grant("zzz")) ==
          R"({"type":"$subscribed","re":1,"channel":"open/a"})");
    CHECK(world.counters.grants.get() == 0);
    // Also not of a channel that the server has joined.
    Granting joined(with("join lobby/{user.sub}", "join room/a"));
    CHECK_THAT(joined.asked(joined.ann, "room/a", grant("a")), Contains("$subscribed"));
    CHECK(joined.counters.grants.get() == 0);
}

TEST_CASE("a route whose rules name no grant looks at none") {
    Granting world(
        R"(token session { keys = file "k" exp = optional from query "token" claim sub : string required }
        route chat /chat { auth = session origins = { none } allow connect allow subscribe on open/* })");
    world.verifier->seen.clear();
    CHECK_THAT(world.asked(world.ann, "open/a", "bad"), Contains("$subscribed"));
    CHECK_THAT(world.asked(world.ann, "room/a", "bad"), Contains("forbidden"));
    CHECK(world.verifier->seen.empty());
}

TEST_CASE("a subscription ends with its grant") {
    Granting world;
    (void)world.asked(world.ann, "room/a", grant("a", 60));
    (void)world.asked(world.ann, "room/b", grant("b", 200));
    world.later(59'000);
    CHECK(world.frames(world.ann).empty());
    world.later(2'000);
    CHECK(
        world.last(world.ann) ==
        R"({"type":"$unsubscribed","channel":"room/a","reason":"expired","because":"the grant has expired"})");
    CHECK(world.counters.grants_expired.get() == 1);
    CHECK(world.counters.grants.get() == 1);
    world.publish("room/a");
    CHECK(world.frames(world.ann).empty());
    world.publish("room/b");
    CHECK_THAT(world.last(world.ann), Contains("news"));
    world.later(80'000);
    world.later(80'000);
    CHECK_THAT(world.last(world.ann), Contains("$unsubscribed"));
    CHECK(world.counters.connections.get() == 1);
}

TEST_CASE("a fresh grant goes on where the old one ends, and loses nothing") {
    Granting world;
    (void)world.asked(world.ann, "kept/a", grant("a", 60));
    world.broker.later = true;  // what is on its way to her is not there yet
    CHECK(world.asked(world.ann, "kept/a", grant("a", 600)) ==
          R"({"type":"$subscribed","re":1,"channel":"kept/a","expires":1700000600})");
    world.broker.later = false;
    world.turn();
    world.later(61'000);
    CHECK(world.frames(world.ann).empty());
    world.publish("kept/a");
    CHECK_THAT(world.last(world.ann), Contains("\"offset\":1}"));
    CHECK(world.counters.grants.get() == 1);
    // A worse one is refused, and the good one goes on.
    CHECK_THAT(world.asked(world.ann, "kept/a", grant("b", 900)), Contains("forbidden"));
    world.publish("kept/a");
    CHECK_THAT(world.last(world.ann), Contains("\"offset\":2}"));
    // With `since` it recovers, too.
    world.subscribe(world.ann, "kept/a", grant("a", 700), R"(,"since":{"epoch":"x","offset":0})");
    const auto frames = world.frames(world.ann);
    REQUIRE(!frames.empty());
    CHECK_THAT(frames.front(), Contains("\"recovered\":false") && Contains("\"expires\":1700000700"));
}

TEST_CASE("who is in a channel by a grant is judged by it when asked again") {
    Granting world;
    (void)world.asked(world.ann, "room/a", grant("a"));
    CHECK_THAT(world.asked(world.ann, "room/a"), Contains("$subscribed") && Contains("expires"));
    CHECK_THAT(world.asked(world.ann, "room/b"), Contains("forbidden"));
}

TEST_CASE("a grant for one use opens one subscription") {
    Granting world;
    const std::string token = R"({\"room\":\"a\",\"jti\":\"7\",\"exp\":1700000600})";
    const ConnectionId bob = world.connect(Granting::as("bob"));
    (void)world.read(bob);
    CHECK_THAT(world.asked(world.ann, "once/b", token), Contains("forbidden"));  // and it is not used up
    CHECK_THAT(world.asked(world.ann, "once/a", token), Contains("$subscribed"));
    CHECK_THAT(world.asked(bob, "once/a", token), Contains("the token was used before"));
    CHECK_THAT(world.asked(world.ann, "once/a", token), Contains("the token was used before"));
}

TEST_CASE("somebody is asked about a grant, and the session goes on meanwhile") {
    Granting world;
    world.subscribe(world.ann, "room/a", "ask-7");
    CHECK(world.frames(world.ann).empty());
    const uint64_t number = world.question();
    world.say(world.ann, R"({"type":"$ping","$id":3})");
    CHECK_THAT(world.last(world.ann), Contains("$pong"));
    world.gateway->answered(world.ann, number + 1, Proof::refused("another"), world.now);
    CHECK(world.frames(world.ann).empty());
    world.gateway->answered(world.ann, number, Proof::good(R"({"room":"a","sub":"ann","exp":1700000600})"),
                            world.now);
    CHECK(world.last(world.ann) ==
          R"({"type":"$subscribed","re":1,"channel":"room/a","expires":1700000600})");
    world.gateway->answered(world.ann, number, Proof::good(R"({"room":"b"})"), world.now);
    CHECK(world.frames(world.ann).empty());
}

TEST_CASE("answers about a grant may be no, or none, or too late") {
    Granting world;
    world.subscribe(world.ann, "room/a", "ask-1");
    uint64_t number = world.question();
    world.gateway->answered(world.ann, number, Proof::unavailable("nobody answers"), world.now);
    // The second block is asked, too: what it cannot tell the first might have known.
    number = world.question();
    world.gateway->answered(world.ann, number, Proof::refused("no"), world.now);
    CHECK_THAT(world.last(world.ann), Contains("\"error\":\"unavailable\""));
    world.subscribe(world.ann, "room/a", "ask-2");
    number = world.question();
    world.gone(world.ann);
    world.gateway->answered(world.ann, number, Proof::good(R"({"room":"a","sub":"ann","exp":1700000600})"),
                            world.now);
    CHECK(world.counters.grants.get() == 0);
}

TEST_CASE("a session asks about few grants at one time") {
    Granting world;
    // Of one channel each waits for the one before it.
    for (int i = 0; i < 4; ++i)
        world.subscribe(world.ann, "room/" + std::to_string(i), "ask-" + std::to_string(i));
    CHECK(world.frames(world.ann).empty());
    CHECK_THAT(world.asked(world.ann, "room/a", "ask-4"), Contains("\"error\":\"limited\""));
    CHECK(world.gateway->actions().questions.size() == 4);
    CHECK_THAT(world.asked(world.ann, "room/a", "ask" + std::string(20'000, 'x')), Contains("bad_message"));
}

TEST_CASE("a session asks about as many grants a minute as are good for it") {
    Granting world;
    std::string told;
    for (int i = 0; i < 61; ++i) {
        world.subscribe(world.ann, "room/a", "ask-" + std::to_string(i));
        while (!world.gateway->actions().questions.empty())
            world.gateway->answered(world.ann, world.question(), Proof::refused("no"), world.now);
        told = world.last(world.ann);
    }
    CHECK_THAT(told, Contains("limited") && Contains("retry_after"));
    world.later(60'000);
    world.subscribe(world.ann, "room/a", "ask-x");
    CHECK(world.gateway->actions().questions.size() == 1);
}

TEST_CASE("a session remembers grants of so many bytes") {
    std::string policy = with("grant.room == room", "grant.room != room");
    Granting world(policy);
    const std::string room(4000, 'x');
    std::string told;
    int held = 0;
    for (; held < 20; ++held) {
        told = world.asked(world.ann, "room/" + std::to_string(held), grant(room));
        if (told.find("limited") != std::string::npos) break;
    }
    CHECK(held > 10);
    CHECK(held < 17);
    CHECK(world.counters.grant_bytes.get() <= 64 << 10);
    world.say(world.ann, R"({"type":"$unsubscribe","channel":"room/0"})");
    CHECK_THAT(world.asked(world.ann, "room/x", grant(room)), Contains("$subscribed"));
    world.gone(world.ann);
    CHECK(world.counters.grants.get() == 0);
    CHECK(world.counters.grant_bytes.get() == 0);
}

TEST_CASE("reload: a grant is judged by the new policy with what it said") {
    Granting world;
    (void)world.asked(world.ann, "room/a", grant("a"));
    (void)world.asked(world.ann, "room/b", grant("b"));
    world.reload(base + "\nroute other /other { auth = none allow connect }");
    CHECK(world.frames(world.ann).empty());
    // More tokens, in another order, and one more claim that this rule reads nothing of.
    world.reload("token aaa { keys = file \"a\" claim x : int required }\n" +
                 with("allow subscribe on open/*", "allow subscribe on a/{aaa.x} with aaa"));
    CHECK(world.frames(world.ann).empty());
    CHECK_THAT(world.asked(world.ann, "room/a"), Contains("$subscribed"));
    world.reload(with("grant.sub == user.sub", "grant.sub == user.sub and grant.room != \"b\""));
    CHECK(
        world.last(world.ann) ==
        R"({"type":"$unsubscribed","channel":"room/b","reason":"policy_changed","because":"no rule allows this"})");
    CHECK(world.counters.grants.get() == 1);
}

TEST_CASE("reload: a grant that the new policy cannot read, or does not trust, is none") {
    const auto lost = [](const std::string& policy) {
        Granting world;
        (void)world.asked(world.ann, "room/a", grant("a"));
        world.reload(policy);
        const auto frames = world.frames(world.ann);
        return frames.size() == 1 && frames[0].find("\"$unsubscribed\"") != std::string::npos &&
               world.counters.grants.get() == 0;
    };
    CHECK(lost(with("claim room : string required }\ntoken once",
                    "claim room : string required claim more : int required }\ntoken once")));
    CHECK(lost(with("keys = file \"g\"", "keys = file \"other\"")));
    CHECK(lost(with("keys = file \"g\"", "keys = file \"g\" audience = \"rooms\"")));
    CHECK(lost(with("room/:room, kept/:room with grant if grant.room == room and grant.sub == user.sub",
                    "elsewhere with grant")));
    // Where no grant is asked for any more, none is missed.
    Granting open;
    (void)open.asked(open.ann, "room/a", grant("a"));
    open.reload(with("on open/*", "on open/*, room/*"));
    CHECK(open.frames(open.ann).empty());
    open.later(90'000);
    for (int i = 0; i < 7; ++i) open.later(90'000);
    CHECK(open.frames(open.ann).empty());
}

TEST_CASE("reload: a key that is taken away takes its grants with it") {
    struct Revoking final : TokenVerifier {
        Proof verify(const Credential& credential, Now) const override {
            return Proof::good(credential.text, credential.token == 1 ? 77 : 1);
        }
        bool trusts(uint32_t, uint64_t key) const override { return key != 77; }
    };
    Granting world;
    auto revoking = std::make_shared<Revoking>();
    auto first = std::make_shared<Runtime>(*world.runtime);
    first->verifier = revoking;
    world.gateway->replace(first, world.now);
    world.later(100);
    (void)world.asked(world.ann, "room/a", grant("a"));
    (void)world.asked(world.ann, "open/a");
    auto next = std::make_shared<Runtime>(*first);
    world.gateway->replace(next, world.now);
    world.later(100);
    const auto frames = world.frames(world.ann);
    REQUIRE(frames.size() == 1);
    CHECK_THAT(frames[0], Contains("\"channel\":\"room/a\"") && Contains("$unsubscribed"));
}

TEST_CASE("$auth: new claims are judged beside the grants that are held") {
    Granting world(with("grant.sub == user.sub", "user.sub == \"ann\""));
    (void)world.asked(world.ann, "room/a", grant("a"));
    world.say(world.ann, R"({"type":"$auth","$id":2,"token":"{\"sub\":\"ann\",\"x\":1}"})");
    CHECK_THAT(world.last(world.ann), Contains("$ok"));
    world.publish("room/a");
    CHECK_THAT(world.last(world.ann), Contains("news"));
}

TEST_CASE("the shadow policy reads the grant in its own order") {
    Granting world;
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->shadow = policy_from("token aaa { keys = file \"a\" claim x : int required }\n" +
                               with("allow subscribe on open/*", "allow subscribe on a/{aaa.x} with aaa"));
    next->shadow_per_million = 1'000'000;
    world.gateway->replace(next, world.now);
    world.later(100);
    CHECK_THAT(world.asked(world.ann, "room/a", grant("a")), Contains("$subscribed"));
    CHECK(world.counters.shadow_compared.get() == 1);
    CHECK(world.counters.shadow_differences.get() == 0);
    CHECK_THAT(world.asked(world.ann, "open/a"), Contains("$subscribed"));
    CHECK(world.counters.shadow_differences.get() == 1);
}

TEST_CASE("a shadow policy with grants says nothing of those that nobody looked at") {
    Granting world(
        R"(token session { keys = file "k" exp = optional from query "token" claim sub : string required }
        route chat /chat { auth = session origins = { none } allow connect allow subscribe on room/* })");
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->shadow = policy_from(base);
    next->shadow_per_million = 1'000'000;
    world.gateway->replace(next, world.now);
    world.later(100);
    CHECK_THAT(world.asked(world.ann, "room/a", grant("a")), Contains("$subscribed"));
    CHECK(world.counters.shadow_compared.get() == 0);
    CHECK(world.counters.shadow_skipped.get() == 1);
    CHECK_THAT(world.asked(world.ann, "room/b"), Contains("$subscribed"));
    CHECK(world.counters.shadow_differences.get() == 1);
}
