#include <regex>

#include "tests/unit/core/told.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    claim sub : string required
}
channel room/**  { history = 5  keep = 1h  presence = true  join_leave = true  presence_grace = 5s }
channel deep/*   { history = 1000  keep = 1h }
channel mail/:u  { history = 5  keep = 1h  acks = user }
channel once/*   { history = 5  keep = 1h  dedup = 1m  max_message = 30b  max_subscribers = 2 }
route chat /chat {
    auth    = session
    origins = none
    max_queue = 64kb
    max_message = 64kb
    idle_timeout = 0s
    allow connect
    join mail/{user.sub}
    allow subscribe, publish, presence, history on **
}
route small /small {
    auth = none
    max_queue = 4kb
    idle_timeout = 0s
    allow connect
    allow subscribe on **
}
route open /open {
    auth = none
    max_message = 64kb
    idle_timeout = 0s
    ping_every = 0s
    allow connect
    allow subscribe, publish on **
}
)";

std::string as(const std::string& user) {
    return "/chat?token={\"sub\":\"" + user + "\"}";
}

struct Delivery : World {
    Delivery() : World(policy) {}

    // The head and `$hello` are read.
    ConnectionId enter(const std::string& path = "/open") {
        const ConnectionId id = connect(path);
        (void)frames(id);
        return id;
    }
    void publish(ConnectionId id, const std::string& channel, int n, const std::string& more = "") {
        say(id, R"({"type":"$publish","channel":")" + channel + R"(","data":{"n":)" + std::to_string(n) +
                    "}" + more + "}");
    }
    std::string subscribe(ConnectionId id, const std::string& channel, const std::string& more = "") {
        say(id, R"({"type":"$subscribe","$id":1,"channel":")" + channel + "\"" + more + "}");
        return channel;
    }
    std::string epoch(const std::string& channel) {
        Query query;
        query.channel = channel;
        query.now = now;
        return epoch_text(broker.memory.read(query, {})->top.epoch);
    }
    std::string since(const std::string& channel, int offset) {
        return R"(,"since":{"epoch":")" + epoch(channel) + R"(","offset":)" + std::to_string(offset) + "}";
    }
};

}  // namespace

TEST_CASE("a channel with history numbers its messages", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    const auto reader = world.enter();
    world.subscribe(reader, "room/a");
    CHECK(world.last(reader) == R"({"type":"$subscribed","re":1,"channel":"room/a","epoch":")" +
                                    world.epoch("room/a") + R"(","offset":0})");
    world.publish(writer, "room/a", 1, R"(,"$id":"x")");
    CHECK(world.last(writer) ==
          R"({"type":"$ok","re":"x","epoch":")" + world.epoch("room/a") + R"(","offset":1})");
    CHECK_THAT(world.last(reader),
               Contains(R"("epoch":")" + world.epoch("room/a") + R"(","offset":1},"n":1)"));
    world.publish(writer, "hall", 1, R"(,"$id":"y")");
    CHECK(world.last(writer) == R"({"type":"$ok","re":"y"})");
}

TEST_CASE("who was away gets what was missed, once and in order", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    for (int n = 1; n <= 4; ++n) world.publish(writer, "room/a", n);
    const auto reader = world.enter();
    world.subscribe(reader, "room/a", world.since("room/a", 1));
    CHECK_THAT(world.frames(reader)[0], Contains(R"("offset":4,"recovered":true})"));
    world.publish(writer, "room/a", 5);
    world.subscribe(reader, "room/a", world.since("room/a", 3));
    // Once more from 3, at its own wish.
    CHECK(told(world, reader) == Told{"5", "$subscribed", "4", "5"});
    world.publish(writer, "room/a", 6);
    CHECK(told(world, reader) == Told{"6"});
}

TEST_CASE("a gap that is too large is told, and so is another numbering", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    for (int n = 1; n <= 9; ++n) world.publish(writer, "room/a", n);
    const auto reader = world.enter();
    for (const std::string& since : {world.since("room/a", 3), world.since("room/a", 10),
                                     std::string(R"(,"since":{"epoch":"AAAAAAAA","offset":9})"),
                                     std::string(R"(,"since":{"epoch":"?","offset":9})")}) {
        INFO(since);
        world.subscribe(reader, "room/a", since);
        const auto frames = world.frames(reader);
        REQUIRE(frames.size() == 1);
        CHECK_THAT(frames[0], Contains(R"("offset":9,"recovered":false})"));
    }
    world.subscribe(reader, "room/a", world.since("room/a", 4));
    CHECK(told(world, reader) == Told{"$subscribed", "5", "6", "7", "8", "9"});
    world.subscribe(reader, "hall", world.since("room/a", 4));
    CHECK(world.last(reader) == R"({"type":"$subscribed","re":1,"channel":"hall","recovered":false})");
    world.subscribe(reader, "room/a", R"(,"since":{"epoch":7,"offset":9})");
    CHECK_THAT(world.last(reader), Contains("`since` is { epoch, offset }"));
}

TEST_CASE("what has run out is not given", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    world.publish(writer, "room/a", 1);
    world.now.steady_ms += 3'600'000;
    world.publish(writer, "room/a", 2);
    const auto reader = world.enter();
    world.subscribe(reader, "room/a", world.since("room/a", 0));
    CHECK(told(world, reader) == Told{"$subscribed"});
    world.subscribe(reader, "room/a", world.since("room/a", 1));
    CHECK(told(world, reader) == Told{"$subscribed", "2"});
}

TEST_CASE("a replay that is larger than the queue is paced by its reader", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    const std::string text(2000, 'x');
    for (int n = 1; n <= 200; ++n)
        world.say(writer, R"({"type":"$publish","channel":"deep/a","data":{"n":)" + std::to_string(n) +
                              R"(,"text":")" + text + R"("}})");
    const auto reader = world.enter(as("eve"));
    world.subscribe(reader, "deep/a", world.since("deep/a", 0));
    std::vector<std::string> all;
    int next = 201;
    for (int round = 0; round < 100; ++round) {
        CHECK(world.gateway->output(reader)->bytes() < 80'000);
        if (round < 20) world.publish(writer, "deep/a", next++);
        for (std::string& word : told(world, reader)) all.push_back(std::move(word));
    }
    REQUIRE(all.size() == 221);
    CHECK(all[0] == "$subscribed");
    for (int n = 1; n <= 220; ++n) CHECK(all[static_cast<size_t>(n)] == std::to_string(n));
    world.publish(writer, "deep/a", 221);
    CHECK(told(world, reader) == Told{"221"});
}

TEST_CASE("a small queue makes small pages, and no reader too slow", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    const std::string text(500, 'x');
    for (int n = 1; n <= 100; ++n)
        world.say(writer, R"({"type":"$publish","channel":"deep/a","data":{"n":)" + std::to_string(n) +
                              R"(,"text":")" + text + R"("}})");
    const auto reader = world.enter("/small");
    world.subscribe(reader, "deep/a", world.since("deep/a", 0));
    std::vector<std::string> all;
    for (int round = 0; round < 100; ++round) {
        CHECK(world.gateway->output(reader)->bytes() <= 4096);
        world.gateway->blocked(reader, world.now);
        for (std::string& word : told(world, reader)) all.push_back(std::move(word));
    }
    REQUIRE(all.size() == 101);
    CHECK(all.back() == "100");
}

TEST_CASE("a reader whom the history overtakes is told", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    const std::string text(30'000, 'x');
    const auto big = [&](int n) {
        world.say(writer, R"({"type":"$publish","channel":"room/a","data":{"n":)" + std::to_string(n) +
                              R"(,"text":")" + text + R"("}})");
    };
    for (int n = 1; n <= 5; ++n) big(n);
    const auto reader = world.enter(as("eve"));
    world.subscribe(reader, "room/a", world.since("room/a", 0));
    // It reads nothing meanwhile.
    for (int n = 6; n <= 20; ++n) big(n);
    std::vector<std::string> all;
    for (int round = 0; round < 20; ++round) {
        for (std::string& word : told(world, reader)) all.push_back(std::move(word));
    }
    REQUIRE(all.size() >= 4);
    CHECK(all[0] == "$subscribed");
    CHECK(all[1] == "1");
    CHECK(std::count(all.begin(), all.end(), "$subscribed") == 2);  // the second says recovered:false
    big(21);
    CHECK(told(world, reader) == Told{"21"});
}

TEST_CASE("publications that race a slow replay are given once", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    world.publish(writer, "room/a", 1);
    const auto reader = world.enter();
    const std::string since = world.since("room/a", 0);
    world.broker.later = true;
    world.subscribe(reader, "room/a", since);
    world.publish(writer, "room/a", 2);
    world.publish(writer, "room/a", 3);
    CHECK(world.frames(reader).empty());
    world.answer();  // of before 2 and 3
    world.answer();
    CHECK(told(world, reader) == Told{"$subscribed", "1", "2", "3"});
    world.broker.later = false;
    world.turn();
    world.publish(writer, "room/a", 4);
    CHECK(told(world, reader) == Told{"4"});
}

TEST_CASE("a broker that does not answer is no reason to wait for ever", "[delivery]") {
    Delivery world;
    const auto client = world.enter();
    world.broker.later = true;
    world.subscribe(client, "room/a");
    world.publish(client, "room/a", 1, R"(,"$id":2)");
    world.say(client, R"({"type":"$history","channel":"room/a","$id":3})");
    CHECK(world.frames(client).size() == 1);  // nobody may read the history here
    world.later(2000);
    const auto frames = world.frames(client);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains(R"("re":1,"channel":"room/a","error":"unavailable")"));
    CHECK_THAT(frames[1], Contains(R"("re":2,"error":"unavailable")"));
    world.answer();  // too late
    CHECK(world.frames(client).empty());
    CHECK(world.counters.unanswered.get() == 2);
}

TEST_CASE("a user's mail waits until it is acknowledged, on any device", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    world.publish(writer, "mail/ann", 1);
    world.publish(writer, "mail/ann", 2);
    const auto phone = world.connect(as("ann"));
    CHECK(told(world, phone) == Told{"$hello", "1", "2"});
    world.say(phone, R"({"type":"$ack","channel":"mail/ann","offset":1,"$id":1})");
    CHECK(world.last(phone) == R"({"type":"$ok","re":1})");
    world.gone(phone);
    world.publish(writer, "mail/ann", 3);

    const auto laptop = world.connect(as("ann"));
    CHECK_THAT(world.frames(laptop)[0], Contains(R"("offset":3,"recovered":true,"acks":true})"));
    world.gone(laptop);
    const auto tablet = world.connect(as("ann"));
    CHECK(told(world, tablet) == Told{"$hello", "2", "3"});
    world.say(tablet, R"({"type":"$ack","channel":"mail/ann","offset":3})");
    const auto other = world.connect(as("bob"));
    CHECK(told(world, other) == Told{"$hello"});
    world.gone(tablet);
    const auto again = world.connect(as("ann"));
    CHECK(told(world, again) == Told{"$hello"});
}

TEST_CASE("mail that ran out unread is told, and nobody speaks as the daemon", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    world.publish(writer, "mail/ann", 1);
    world.now.steady_ms += 3'600'001;
    const auto ann = world.connect(as("ann"));
    CHECK_THAT(world.frames(ann)[0], Contains(R"("offset":1,"recovered":false,"acks":true})"));
    world.say(writer, R"({"type":"$publish","channel":"room/a","$id":1,"data":{"type":"$bye","code":4403}})");
    CHECK_THAT(world.last(writer), Contains("types that begin with `$` are the server's"));
}

TEST_CASE("a reload that ends a batch keeps the order", "[delivery]") {
    Delivery world;
    const auto with = [&](const std::string& more, uint64_t generation) {
        auto next = std::make_shared<Runtime>(*world.runtime);
        next->policy = policy_from(policy + more);
        next->generation = generation;
        world.gateway->replace(next, world.now);
    };
    with("channel feed { batch = 10s }", 1);
    const auto writer = world.enter();
    const auto reader = world.enter();
    world.subscribe(reader, "feed");
    (void)world.frames(reader);
    world.publish(writer, "feed", 1);
    CHECK(world.frames(reader).empty());
    with("", 2);
    world.publish(writer, "feed", 2);
    CHECK(told(world, reader) == Told{"1", "2"});
}

TEST_CASE("acknowledgements that mean nothing are refused", "[delivery]") {
    Delivery world;
    const auto client = world.enter(as("ann"));
    const auto ack = [&](const std::string& members) {
        world.say(client, R"({"type":"$ack","$id":1,)" + members + "}");
        return world.last(client);
    };
    CHECK_THAT(ack(R"("channel":"mail/ann","offset":1)"), Contains("no message of this epoch and offset"));
    world.publish(client, "mail/ann", 1);
    CHECK_THAT(ack(R"("channel":"mail/ann","offset":2)"), Contains("no message of this epoch and offset"));
    CHECK_THAT(ack(R"("channel":"mail/ann","offset":1,"epoch":"AAAAAAAB")"), Contains("of this epoch"));
    CHECK_THAT(ack(R"("channel":"mail/ann","offset":1,"epoch":"A")"), Contains("`epoch` is that"));
    CHECK_THAT(ack(R"("channel":"mail/ann","offset":-1)"), Contains("`offset` is that"));
    CHECK_THAT(ack(R"("channel":"mail/bob","offset":1)"), Contains("no subscription"));
    world.subscribe(client, "room/a");
    CHECK_THAT(ack(R"("channel":"room/a","offset":0)"), Contains("takes no acknowledgements"));
    CHECK(ack(R"("channel":"mail/ann","offset":1)") == R"({"type":"$ok","re":1})");
}

TEST_CASE("a user's server can ask how far its user has come", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    world.publish(writer, "mail/ann", 1);
    const auto progress = [&] {
        Cursor cursor;
        cursor.channel = "mail/ann";
        cursor.user = "ann";
        const auto got = world.broker.memory.progress(cursor, {});
        return std::pair(got->delivered, got->acknowledged);
    };
    CHECK(progress() == std::pair<uint64_t, uint64_t>(0, 0));
    const auto client = world.connect(as("ann"));
    CHECK(progress() == std::pair<uint64_t, uint64_t>(0, 0));  // nothing is written yet
    (void)world.frames(client);
    CHECK(progress() == std::pair<uint64_t, uint64_t>(1, 0));
    world.say(client, R"({"type":"$ack","channel":"mail/ann","offset":1})");
    CHECK(progress() == std::pair<uint64_t, uint64_t>(1, 1));
}

TEST_CASE("presence: who is in, who comes, and who goes", "[delivery]") {
    Delivery world;
    const auto ann = world.enter(as("ann"));
    const auto watch = world.enter();
    world.subscribe(watch, "room/a");
    (void)world.frames(watch);
    world.subscribe(ann, "room/a");
    CHECK(world.frames(watch) == Told{R"({"type":"$join","channel":"room/a","user":"ann"})"});
    const auto second = world.enter(as("ann"));
    world.subscribe(second, "room/a");
    CHECK(world.frames(watch).empty());
    (void)world.frames(ann);
    world.say(ann, R"({"type":"$presence","channel":"room/a","$id":1})");
    CHECK(
        world.last(ann) ==
        R"({"type":"$ok","re":1,"data":{"users":[{"user":"ann","connections":2}],"total":1,"anonymous":1}})");
    world.gone(ann);
    world.later(6000);
    CHECK(world.frames(watch).empty());
    world.gone(second);
    world.later(4000);
    const auto back = world.enter(as("ann"));
    world.subscribe(back, "room/a");
    world.later(2000);
    CHECK(world.frames(watch).empty());  // she was never gone
    world.say(back, R"({"type":"$unsubscribe","channel":"room/a"})");
    world.later(5100);
    CHECK(world.frames(watch) == Told{R"({"type":"$leave","channel":"room/a","user":"ann"})"});
    world.say(back, R"({"type":"$presence","channel":"room/a","$id":1})");
    CHECK(world.last(back) == R"({"type":"$ok","re":1,"data":{"users":[],"total":0,"anonymous":1}})");
    world.say(back, R"({"type":"$presence","channel":"hall","$id":1})");
    CHECK_THAT(world.last(back), Contains("nobody keeps presence"));
}

TEST_CASE("presence begins and ends with a reload", "[delivery]") {
    Delivery world;
    const auto ann = world.enter(as("ann"));
    world.subscribe(ann, "hall");
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->policy = policy_from(policy + "channel hall { presence = true }");
    next->generation = 1;
    world.gateway->replace(next, world.now);
    world.say(ann, R"({"type":"$presence","channel":"hall","$id":1})");
    CHECK_THAT(world.last(ann), Contains(R"("user":"ann","connections":1)"));
    next = std::make_shared<Runtime>(*world.runtime);
    next->generation = 2;
    world.gateway->replace(next, world.now);
    world.publish(ann, "hall", 1);  // whoever uses the channel finds out
    CHECK(world.presence.local.present("hall", 9, {})->total == 1);
    world.later(5100);
    CHECK(world.presence.local.present("hall", 9, {})->total == 0);
}

TEST_CASE("$history gives what is kept, in pages", "[delivery]") {
    Delivery world;
    const auto client = world.enter(as("eve"));
    for (int n = 1; n <= 7; ++n) world.publish(client, "room/a", n);
    (void)world.frames(client);
    const auto history = [&](const std::string& members) {
        world.say(client, R"({"type":"$history","$id":1,"channel":"room/a")" + members + "}");
        const std::string text = world.last(client);
        std::string out;
        const std::regex number("\"n\":(\\d)");
        for (std::sregex_iterator it(text.begin(), text.end(), number), end; it != end; ++it)
            out += (*it)[1].str();
        for (const char* word : {R"("more":true)", R"("recovered":false)", R"("error":"bad_message")"}) {
            if (text.find(word) != std::string::npos) out += std::string(" ") + word;
        }
        return out;
    };
    CHECK(history("") == "34567");
    CHECK(history(R"(,"limit":2)") == R"(34 "more":true)");
    CHECK(history(R"(,"limit":3)" + world.since("room/a", 4)) == "567");
    CHECK(history(R"(,"reverse":true,"limit":3)") == R"(765 "more":true)");
    CHECK(history(R"(,"reverse":true)" + world.since("room/a", 5)) == "43");
    CHECK(history(world.since("room/a", 1)) == R"(34567 "recovered":false)");
    CHECK(history(R"(,"limit":0)") == R"( "error":"bad_message")");
    CHECK(history(R"(,"reverse":1)") == R"( "error":"bad_message")");
    world.say(client, R"({"type":"$history","$id":1,"channel":"hall"})");
    CHECK_THAT(world.last(client), Contains("keeps no history"));
}

TEST_CASE("the same id within the window is delivered once", "[delivery]") {
    Delivery world;
    const auto ann = world.enter(as("ann"));
    const auto bob = world.enter(as("bob"));
    const auto reader = world.enter();
    world.subscribe(reader, "once/a");
    (void)world.frames(reader);
    world.publish(ann, "once/a", 1, R"(,"dedup":"x","$id":1)");
    CHECK_THAT(world.last(ann), Contains(R"("offset":1})"));
    world.publish(ann, "once/a", 1, R"(,"dedup":"x","$id":2)");
    CHECK_THAT(world.last(ann), Contains(R"("re":2)") && Contains(R"("offset":1,"duplicate":true})"));
    world.publish(bob, "once/a", 2, R"(,"dedup":"x","$id":1)");  // another's id is another
    CHECK_THAT(world.last(bob), Contains(R"("offset":2})"));
    CHECK(told(world, reader) == Told{"1", "2"});
    world.later(60'001);
    world.publish(ann, "once/a", 3, R"(,"dedup":"x")");
    CHECK(told(world, reader) == Told{"3"});
    world.publish(ann, "once/a", 4, R"(,"dedup":7,"$id":1)");
    CHECK_THAT(world.last(ann), Contains("`dedup` is a text"));
}

TEST_CASE("a channel's own bounds", "[delivery]") {
    Delivery world;
    const auto first = world.enter();
    world.publish(first, "once/a", 1, R"(,"$id":1)");
    CHECK_THAT(world.last(first), Contains("$ok"));
    world.say(first,
              R"({"type":"$publish","channel":"once/a","$id":1,"data":{"n":"0123456789012345678901234"}})");
    CHECK_THAT(world.last(first), Contains(" bytes, and its channel takes "));
    const auto second = world.enter();
    const auto third = world.enter();
    world.subscribe(first, "once/a");
    world.subscribe(second, "once/a");
    world.subscribe(third, "once/a");
    CHECK_THAT(world.last(third), Contains("as many subscribers as it takes"));
    world.gone(first);
    world.subscribe(third, "once/a");
    CHECK_THAT(world.last(third), Contains("$subscribed"));
}

TEST_CASE("a numbering that is lost is told to who is subscribed", "[delivery]") {
    Delivery world;
    const auto reader = world.enter();
    world.subscribe(reader, "room/a");
    const auto writer = world.enter();
    world.publish(writer, "room/a", 1);
    (void)world.frames(reader);
    const Position strange{77, 5};
    const std::string text = publication_text("room/a", {"1", 0, "\"n\":5"}, strange);
    world.broker.push(std::make_shared<const Message>("room/a", strange, text));
    world.turn();
    const auto frames = world.frames(reader);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains(R"("offset":4,"recovered":false})"));
    CHECK_THAT(frames[1], Contains(R"("n":5)"));
}

TEST_CASE("a quiet channel's numbering may become another without a message", "[delivery]") {
    Delivery world;
    const auto reader = world.enter();
    world.subscribe(reader, "room/a");
    (void)world.frames(reader);
    auto stands = std::make_shared<Message>("room/a", Position{77, 5}, "");
    stands->stands = true;
    world.broker.push(stands);
    world.turn();
    const auto frames = world.frames(reader);
    REQUIRE(frames.size() == 1);
    CHECK_THAT(frames[0], Contains(R"("offset":5,"recovered":false})"));
    // The next message follows it.
    const Position next{77, 6};
    world.broker.push(std::make_shared<const Message>("room/a", next,
                                                      publication_text("room/a", {"1", 0, "\"n\":6"}, next)));
    world.turn();
    CHECK_THAT(world.frames(reader).at(0), Contains(R"("n":6)"));
}

TEST_CASE("messages that came to nobody are asked for when the broker says where it stands", "[delivery]") {
    Delivery world;
    const auto reader = world.enter();
    world.subscribe(reader, "room/a");
    (void)world.frames(reader);
    Position top;
    for (int i = 1; i <= 8; ++i) {
        Draft draft;
        draft.channel = "room/a";
        draft.members = "\"n\":" + std::to_string(i);
        draft.retention = {5, 3'600'000, 0};
        draft.now = world.now;
        top = world.broker.memory.publish(draft, {})->position;
    }
    world.broker.pending.clear();
    auto stands = std::make_shared<Message>("room/a", top, "");
    stands->stands = true;
    world.broker.push(stands);
    world.turn();
    const auto frames = world.frames(reader);
    REQUIRE_FALSE(frames.empty());
    CHECK_THAT(frames[0], Contains("$subscribed") && Contains(R"("offset":8,"recovered":false)"));
}

TEST_CASE("news of another numbering ends a reader that has no room for it, and nobody else", "[delivery]") {
    const bool alone = GENERATE(true, false);
    Delivery world;
    const auto slow = world.enter();
    world.subscribe(slow, "room/a");
    world.subscribe(slow, "plain");
    const auto other = world.enter();
    if (!alone) world.subscribe(other, "room/a");
    const auto writer = world.enter();
    world.publish(writer, "room/a", 1);
    (void)world.frames(slow);
    (void)world.frames(other);
    // As much as waits before the socket was offered anything: the next frame is too much.
    const auto full = [&] { return world.gateway->output(slow)->frames() >= 4096 * 4; };
    for (int n = 0; n < 20'000 && !full(); ++n) {
        Draft draft;
        draft.channel = "plain";
        draft.members = "\"n\":1";
        draft.now = world.now;
        (void)world.broker.publish(std::move(draft), {});
        world.turn();
    }
    const Position strange{77, 5};
    const std::string text = publication_text("room/a", {"1", 0, "\"n\":5"}, strange);
    for (int i = 0; i < 2; ++i) {
        world.broker.push(
            std::make_shared<const Message>("room/a", Position{77, 5U + static_cast<unsigned>(i)}, text));
        world.turn();
    }
    CHECK_THAT(world.last(slow), Contains("close 4408"));
    const auto frames = world.frames(other);
    CHECK(frames.size() == (alone ? 0U : 3U));
}

TEST_CASE("one client does not fill the storage's queue", "[delivery]") {
    Delivery world;
    const auto writer = world.enter();
    const auto other = world.enter();
    world.broker.later = true;
    for (int n = 0; n < 1000; ++n) world.publish(writer, "room/a", n, R"(,"$id":1)");
    CHECK(world.frames(writer).empty());
    world.publish(writer, "room/a", 1000, R"(,"$id":1)");
    CHECK_THAT(world.last(writer), Contains("limited") && Contains("wait for the server's storage"));
    world.publish(other, "room/a", 1, R"(,"$id":1)");
    CHECK(world.frames(other).empty());
    world.answer();
    CHECK(world.frames(writer).size() == 1000);
    world.publish(writer, "room/a", 1001, R"(,"$id":1)");
    world.answer();
    CHECK_THAT(world.last(writer), Contains("$ok"));
}

TEST_CASE("of many channels those are noted that delivered something", "[delivery]") {
    World world(R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
channel mail/** { history = 5  keep = 1h  acks = user }
route chat /chat { auth = session  origins = { none }  max_subscriptions = 1000  allow connect  allow subscribe, publish on ** }
)");
    const auto id = world.connect("/chat?token=%7B%22sub%22:%22ann%22%7D");
    for (int i = 0; i < 300; ++i)
        world.say(id, R"({"type":"$subscribe","channel":"mail/)" + std::to_string(i) + "\"}");
    (void)world.frames(id);
    world.say(id, R"({"type":"$publish","channel":"mail/7","data":{}})");
    const auto progress = [&](const std::string& channel) {
        return world.broker.memory.progress({channel, "ann", {}, {5, 3'600'000, 0}, world.now}, {})
            ->delivered;
    };
    CHECK(progress("mail/7") == 0);  // not read yet
    (void)world.frames(id);
    CHECK(progress("mail/7") == 1);
    // Who left meanwhile is noted nowhere.
    world.say(id, R"({"type":"$publish","channel":"mail/8","data":{}})");
    world.say(id, R"({"type":"$unsubscribe","channel":"mail/8"})");
    (void)world.frames(id);
    CHECK(progress("mail/8") == 0);
}

TEST_CASE("a $subscribe is answered also if the next word about its channel comes before its page",
          "[delivery]") {
    const std::string next = GENERATE(std::string("$unsubscribe"), std::string("$subscribe"));
    Delivery world;
    world.broker.later = true;
    const auto reader = world.enter();
    world.say(reader, R"({"type":"$subscribe","channel":"room/a","$id":"first"})");
    world.say(reader, R"({"type":")" + next + R"(","channel":"room/a","$id":"second"})");
    world.answer();
    world.turn();
    const auto frames = world.frames(reader);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("$subscribed") && Contains(R"("re":"first")"));
    CHECK_THAT(frames[1], Contains(next + "d") && Contains(R"("re":"second")"));
}
