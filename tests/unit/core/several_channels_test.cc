// `$subscribe` and `$unsubscribe` of several channels in one message, and what else a client that comes again
// needs: free acknowledgements, and the end of its token.
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string policy = R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
channel kept/* { history = 200  keep = 1h }
channel mail/* { history = 100  keep = 1h  acks = user }
backend app { url = "http://127.0.0.1:9" }
route chat /chat {
    auth = session  origins = none  idle_timeout = 0s  ping_every = 0s  max_subscriptions = 2000
    allow connect
    join mail/{user.sub}
    allow subscribe on open/*, kept/*, mail/*
    deny  subscribe on open/secret because "not you"
    allow subscribe on asked/:x by app "/may/{x}"
    allow publish on **
    limit messages to 3/h per connection
    limit subscriptions to 40 per connection
}
)";

struct Coming : World {
    explicit Coming(const std::string& text = policy, GatewaySettings settings = {.log_connections = false})
        : World(text, settings) {
        auto app = std::make_shared<Backend>();
        app->name = "app";
        runtime->backends = {app};
        ann = connect("/chat?token=%7B%22sub%22:%22ann%22%7D");
        hello = frames(ann).front();
    }
    // As the application's own servers do.
    void publish(const std::string& channel, size_t messages, size_t bytes = 1) {
        for (size_t i = 0; i < messages; ++i) {
            Draft draft;
            draft.channel = channel;
            draft.id = std::to_string(i);
            draft.members = R"("type":"news","text":")" + std::string(bytes, 'x') + "\"";
            draft.retention = retention_of(runtime->policy->channel_rules(channel));
            draft.now = now;
            (void)broker.publish(std::move(draft), {});
        }
        turn();
    }
    std::string epoch_of(const std::string& channel) {
        Query query;
        query.channel = channel;
        query.retention = retention_of(runtime->policy->channel_rules(channel));
        query.now = now;
        return epoch_text(broker.memory.read(std::move(query), {})->top.epoch);
    }
    ConnectionId ann;
    std::string hello;
};

std::string list(size_t channels, const std::string& prefix) {
    std::string out = "[";
    for (size_t i = 0; i < channels; ++i) out += (i > 0 ? ",\"" : "\"") + prefix + std::to_string(i) + "\"";
    return out + "]";
}

size_t count(const std::vector<std::string>& frames, const std::string& part) {
    return static_cast<size_t>(std::count_if(frames.begin(), frames.end(), [&](const std::string& frame) {
        return frame.find(part) != std::string::npos;
    }));
}

}  // namespace

TEST_CASE("several channels in one message are answered one by one, and counted once") {
    Coming world;
    world.publish("kept/a", 3);
    const std::string text =
        R"({"type":"$subscribe","$id":"r","channels":["open/a",{"channel":"open/secret"},{"channel":"kept/a",)"
        R"("since":{"epoch":")" +
        world.epoch_of("kept/a") +
        R"(","offset":1}},"no name",{"channel":7},{"channel":"kept/b","since":1}]})";
    world.say(world.ann, text);
    const auto heard = world.frames(world.ann);
    REQUIRE(heard.size() == 8);
    CHECK(heard[0] == R"({"type":"$subscribed","re":"r","channel":"open/a"})");
    CHECK(heard[1] ==
          R"({"type":"$error","re":"r","channel":"open/secret","error":"forbidden","because":"not you"})");
    CHECK_THAT(heard[2], StartsWith(R"({"type":"$subscribed","re":"r","channel":"kept/a")") &&
                             Contains("\"recovered\":true"));
    CHECK_THAT(heard[3], Contains("\"offset\":2"));
    CHECK_THAT(heard[4], Contains("\"offset\":3"));
    CHECK_THAT(heard[5], Contains("\"channel\":\"no name\"") && Contains("bad_message"));
    CHECK_THAT(heard[6], Contains("`channel` is no text"));
    CHECK_THAT(heard[7], Contains("\"channel\":\"kept/b\"") && Contains("`since` is"));
    // Without an id, too; and the third message is the last.
    world.say(world.ann, R"({"type":"$unsubscribe","channels":["open/a","open/b"]})");
    const auto left = world.frames(world.ann);
    REQUIRE(left.size() == 2);
    CHECK(left[0] == R"({"type":"$unsubscribed","channel":"open/a"})");
    CHECK_THAT(left[1], Contains("\"channel\":\"open/b\"") && Contains("no subscription"));
    world.say(world.ann, R"({"type":"$subscribe","channels":["open/a"]})");
    CHECK_THAT(world.last(world.ann), Contains("$subscribed"));
    world.say(world.ann, R"({"type":"$subscribe","channels":["open/b"]})");
    CHECK_THAT(world.last(world.ann), Contains("limited"));
}

TEST_CASE("limits of channels hold for each of them") {
    Coming world;
    world.say(world.ann, R"({"type":"$subscribe","channels":)" + list(60, "open/") + "}");
    const auto heard = world.frames(world.ann);
    REQUIRE(heard.size() == 60);
    CHECK(count(heard, "$subscribed") == 40);
    CHECK_THAT(heard.back(), Contains("\"channel\":\"open/59\"") && Contains("limited"));
}

TEST_CASE("a list of channels that is none is refused as a whole") {
    for (const char* channels :
         {"7", "[]", "{}", "[[\"open/a\"]]", "[null]", "[\"open/a\",{}]", "[\"open/a\",{\"since\":1}]x"}) {
        CAPTURE(channels);
        Coming world;
        world.say(world.ann, R"({"type":"$subscribe","$id":1,"channels":)" + std::string(channels) + "}");
        const auto heard = world.frames(world.ann);
        REQUIRE(heard.size() == 1);
        CHECK_THAT(heard[0], StartsWith(R"({"type":"$error")") && Contains("bad_message"));
        CHECK(world.broker.channels.count("open/a") == 0);
    }
    Coming world;
    world.say(world.ann, R"({"type":"$subscribe","channel":"open/a","channels":["open/b"]})");
    CHECK_THAT(world.last(world.ann), Contains("not both"));
    world.say(world.ann, R"({"type":"$subscribe","channels":)" + list(1001, "open/") + "}");
    CHECK_THAT(world.last(world.ann), Contains("at most 1000"));
    CHECK(world.broker.channels.size() == 1);  // the one that it was joined to
}

TEST_CASE(
    "a member that stands twice in one of the channels, or in its position, is two meanings and refused") {
    Coming w;
    const std::string message = GENERATE(
        R"({"type":"$subscribe","$id":1,"channels":["open/a",{"channel":"open/b","channel":"open/secret"}]})",
        R"({"type":"$subscribe","$id":1,"channels":[{"channel":"open/b","since":1,"since":2}]})",
        R"({"type":"$subscribe","$id":1,"channels":[{"channel":"open/b","token":"a","token":"b"}]})",
        R"({"type":"$subscribe","$id":1,"channel":"kept/a","since":{"epoch":"a","epoch":"b","offset":1}})",
        R"({"type":"$subscribe","$id":1,"channel":"kept/a","since":{"epoch":"a","offset":1,"offset":2}})");
    w.say(w.ann, message);
    const auto answers = w.frames(w.ann);
    REQUIRE(answers.size() == 1);
    CHECK_THAT(answers[0], Contains(R"("error":"bad_message")"));
}

TEST_CASE("channels about which a backend is asked keep their turn, and the others do not wait") {
    Coming world;
    world.say(world.ann,
              R"({"type":"$subscribe","$id":1,"channels":["asked/a","open/a","asked/a","asked/b"]})");
    auto heard = world.frames(world.ann);
    REQUIRE(heard.size() == 1);
    CHECK_THAT(heard[0], Contains("open/a"));
    auto calls = std::exchange(world.gateway->actions().calls, {});
    REQUIRE(calls.size() == 2);
    BackendAnswer yes;
    yes.kind = BackendAnswer::Kind::answered;
    yes.status = 204;
    BackendAnswer no = yes;
    no.status = 403;
    world.gateway->backend_answered(calls[0].number, yes, world.now);
    heard = world.frames(world.ann);
    CHECK(heard == std::vector<std::string>(2, R"({"type":"$subscribed","re":1,"channel":"asked/a"})"));
    world.gateway->backend_answered(calls[1].number, no, world.now);
    heard = world.frames(world.ann);
    REQUIRE(heard.size() == 1);
    CHECK_THAT(heard[0], StartsWith(R"({"type":"$error","re":1,"channel":"asked/b","error":"forbidden")"));
}

TEST_CASE("what was missed in many channels is paced by its reader") {
    std::string text = policy;
    text.replace(text.find("limit subscriptions to 40"), 25, "limit subscriptions to 400");
    for (const bool later : {false, true}) {
        CAPTURE(later);
        Coming world(text, {.max_queue_bytes = 65536, .log_connections = false});
        for (size_t i = 0; i < 100; ++i) world.publish("kept/" + std::to_string(i), 40, 1000);
        std::string channels;
        for (size_t i = 0; i < 100; ++i) {
            const std::string name = "kept/" + std::to_string(i);
            channels += (i > 0 ? R"(,{"channel":")" : R"({"channel":")") + name + R"(","since":{"epoch":")" +
                        world.epoch_of(name) + R"(","offset":0}})";
        }
        world.broker.later = later;
        world.say(world.ann, R"({"type":"$subscribe","channels":[)" + channels + "]}");
        std::vector<std::string> heard;
        for (size_t round = 0; round < 400; ++round) {
            const SendQueue* queue = world.gateway->output(world.ann);
            REQUIRE((queue && queue->bytes() < size_t{128} << 10U));
            for (const std::string& frame : world.frames(world.ann)) heard.push_back(frame);
            if (later) world.answer();
        }
        CHECK(count(heard, "$subscribed") == 100);
        CHECK(count(heard, "\"recovered\":true") == 100);
        CHECK(count(heard, "\"type\":\"news\"") == 4000);
    }
}

TEST_CASE("acknowledgements of what was delivered are free") {
    Coming world;
    CHECK_THAT(world.hello, Contains(R"({"channel":"mail/ann","epoch":")") && Contains("\"acks\":true}"));
    const std::string ack = R"({"type":"$ack","channel":"mail/ann","offset":1})";
    world.publish("mail/ann", 5);
    CHECK(world.frames(world.ann).size() == 5);
    for (size_t i = 0; i < 5; ++i) world.say(world.ann, ack);
    CHECK(world.frames(world.ann).empty());
    // Those beyond are messages: three of them, and no more.
    for (size_t i = 0; i < 3; ++i) world.say(world.ann, ack);
    CHECK(world.frames(world.ann).empty());
    world.say(world.ann, ack);
    CHECK_THAT(world.last(world.ann), Contains("limited"));
}

TEST_CASE("a channel with acknowledgements says so") {
    Coming world;
    world.say(world.ann, R"({"type":"$subscribe","channels":["mail/other","kept/a"]})");
    const auto heard = world.frames(world.ann);
    REQUIRE(heard.size() == 2);
    CHECK_THAT(heard[0], Contains("mail/other") && Contains("\"acks\":true"));
    CHECK_THAT(heard[1], !Contains("acks"));
}

TEST_CASE("a session says when it ends, and that it may come again with a new token") {
    Coming world;
    CHECK_THAT(world.hello, !Contains("expires"));
    const ConnectionId bob = world.connect("/chat?token=%7B%22sub%22:%22bob%22,%22exp%22:1700000100%7D");
    CHECK_THAT(world.last(bob), Contains("\"expires\":1700000100}"));
    world.later(101'000);
    const auto heard = world.frames(bob);
    REQUIRE(heard.size() == 2);
    CHECK_THAT(heard[0], StartsWith(R"({"type":"$bye","code":4401)") && Contains("\"renew\":true}"));
    CHECK_THAT(heard[1], StartsWith("close 4401"));
}
