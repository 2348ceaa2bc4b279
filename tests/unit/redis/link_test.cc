#include "daemon/broker/redis/link.h"

#include <catch2/catch.hpp>

#include "daemon/broker/redis/scripts.h"

using namespace wayleave;

namespace {

using Role = RedisLink::Role;
using State = RedisLink::State;

std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::string info(const std::string& version = "7.0.15", const std::string& policy = "noeviction",
                 const std::string& loading = "0") {
    return bulk("# Server\r\nredis_version:" + version + "\r\nrun_id:" + std::string(40, 'a') +
                "\r\nserver_time_usec:1700000000123456\r\nloading:" + loading +
                "\r\nmaxmemory_policy:" + policy + "\r\nmaster_replid:" + std::string(40, 'b') +
                "\r\nmaster_replid2:" + std::string(40, '0') + "\r\n");
}

std::string master() {
    return "*3\r\n" + bulk("master") + ":0\r\n*0\r\n";
}

std::string scripts() {
    std::string out;
    for (const RedisScript* script : all_scripts()) out += bulk(script->hash());
    return out;
}

struct World {
    explicit World(Role role, RedisAccess access = {"", "", 0, "wayleave"})
        : link(role, std::move(access), [] { return uint64_t{25}; }) {}

    void open() {
        REQUIRE(link.wants_opening(now));
        link.open(now);
        link.opened(now);
    }
    void up(Role role) {
        open();
        say("+OK\r\n" + info() + master() + (role == Role::commands ? scripts() : ""));
        REQUIRE(link.state() == State::up);
        link.output().clear();
        (void)link.take_events();
    }
    void say(const std::string& bytes) {
        for (const char c : bytes) link.received({&c, 1}, now);
    }
    // Why it went down; empty: it did not.
    std::string down() {
        std::string out;
        for (auto& event : link.take_events()) {
            if (const auto* one = std::get_if<RedisLink::Down>(&event)) out = one->fault.because;
        }
        return out;
    }

    RedisLink link;
    int64_t now = 1000;
};

}  // namespace

TEST_CASE("a link greets, and is up when all is as it must be", "[redis][link]") {
    World world(Role::commands, {"app", "secret", 3, "node"});
    world.open();
    const std::string& asked = world.link.output();
    CHECK(asked.starts_with(
        "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"));
    world.say("+OK\r\n+OK\r\n+OK\r\n" + info() + master());
    CHECK(world.link.state() == State::greeting);
    world.say(scripts());
    REQUIRE(world.link.state() == State::up);
    const auto events = world.link.take_events();
    REQUIRE(events.size() == 1);
    CHECK(std::get<RedisLink::Up>(events[0]).info.run_id == std::string(40, 'a'));
    CHECK(std::get<RedisLink::Up>(events[0]).info.time_ms == 1'700'000'000'123);
}

TEST_CASE("a server that is not fit is refused, with what is to be done", "[redis][link]") {
    const auto refused = [](const std::string& bytes) {
        World world(Role::commands);
        world.open();
        world.say(bytes);
        CHECK(world.link.state() == State::waiting);
        CHECK(world.link.output().empty());
        return world.down();
    };
    CHECK(refused("+OK\r\n" + info("6.2.7")).find("7.0 or newer") != std::string::npos);
    CHECK(refused("+OK\r\n" + info("7.0.1", "allkeys-lru")).find("set maxmemory-policy noeviction") !=
          std::string::npos);
    CHECK(refused("+OK\r\n" + info("7.0.1", "noeviction", "1")).find("loading") != std::string::npos);
    CHECK(refused("+OK\r\n" + info() + "*1\r\n" + bulk("slave")) == "it is no primary but a slave");
    CHECK(refused("-NOAUTH Authentication required.\r\n").find("password_file") != std::string::npos);
    CHECK(refused("-NOPERM no permission for client|setname\r\n").find("MANY MACHINES") != std::string::npos);
    CHECK(refused("+OK\r\n" + bulk("nothing of use")).find("7.0") != std::string::npos);
    CHECK(refused("+OK\r\n" + info() + master() + bulk("another hash")).find("hash") != std::string::npos);
    CHECK(refused("HTTP/1.1 400 Bad Request\r\n").find("no RESP") != std::string::npos);
}

TEST_CASE("who waits for replicas asks whether it may", "[redis][link]") {
    World world(Role::publications);
    world.open();
    CHECK(world.link.output().find("*3\r\n$4\r\nWAIT\r\n$1\r\n0\r\n$1\r\n0\r\n") != std::string::npos);
    world.say("+OK\r\n" + info() + master());
    SECTION("it may") {
        world.say(":0\r\n" + scripts());
        CHECK(world.link.state() == State::up);
    }
    SECTION("it may not") {
        world.say("-NOPERM this user has no permissions to run the 'wait' command\r\n");
        CHECK(world.down().find("MANY MACHINES") != std::string::npos);
    }
}

TEST_CASE("answers come in order, and a link that breaks answers what is open", "[redis][link]") {
    World world(Role::commands);
    world.up(Role::commands);
    std::string answers;
    const auto note = [&](const RedisReply& reply) {
        answers += (reply.kind == RedisReply::Kind::lost ? "lost:" : "") + reply.text + ";";
    };
    for (int i = 0; i < 3; ++i) world.link.ask({"GET", "x"}, note, world.now);
    world.say("+a\r\n-ERR b\r\n");
    const auto run = [&] {
        for (auto& event : world.link.take_events()) {
            if (auto* one = std::get_if<RedisLink::Answer>(&event)) one->done(one->reply);
        }
    };
    run();
    CHECK(answers == "a;ERR b;");
    SECTION("lost") {
        world.link.lost({"cut"}, world.now);
        run();
        CHECK(answers == "a;ERR b;lost:cut;");
        world.link.ask({"GET", "x"}, note, world.now);
        run();
        CHECK(answers.ends_with("lost:Redis is not connected;"));
    }
    SECTION("it became a replica") {
        world.say("-READONLY You can't write against a read only replica.\r\n");
        run();
        CHECK(answers.find("READONLY") != std::string::npos);
        CHECK(world.link.state() == State::waiting);
    }
    SECTION("it is silent") {
        world.now += 1999;
        world.link.check(world.now);
        CHECK(world.link.state() == State::up);
        world.now += 1;
        world.link.check(world.now);
        CHECK(world.link.state() == State::waiting);
        CHECK(world.down() == "it has not answered for 2 s");
    }
    SECTION("it says more than it was asked") {
        world.say("+c\r\n+d\r\n");
        CHECK(world.down().find("nobody asked") != std::string::npos);
    }
}

TEST_CASE("in every state there is a deadline", "[redis][link]") {
    World world(Role::commands);
    world.link.open(world.now);
    CHECK(world.link.deadline_ms() == 4000);
    world.link.opened(1500);
    CHECK(world.link.deadline_ms() == 4000);
    world.link.check(3999);
    CHECK(world.link.state() == State::greeting);
    world.link.check(4000);
    CHECK(world.link.state() == State::waiting);
    CHECK(world.link.deadline_ms() == 4025);  // 25 of at most 50 ms
    CHECK_FALSE(world.link.wants_opening(4024));
    world.now = 4025;
    world.up(Role::commands);
    CHECK(world.link.deadline_ms() == 5025);  // then it is asked whether it is there
    world.now = 5025;
    world.link.check(world.now);
    CHECK(world.link.output() == "*1\r\n$4\r\nPING\r\n");
    CHECK(world.link.deadline_ms() == 7025);
    world.say("+PONG\r\n");
    CHECK(world.link.deadline_ms() == 6025);
    CHECK(world.link.take_events().empty());
}

TEST_CASE("who waits does so for longer after each failure, up to a second", "[redis][link]") {
    RedisLink link(Role::commands, {}, [] { return UINT64_MAX / 2; });
    int64_t longest = 0;
    for (int i = 0; i < 20; ++i) {
        link.open(0);
        link.lost({"refused"}, 0);
        CHECK(link.deadline_ms() <= std::min<int64_t>(1000, int64_t{50} << std::min(i, 10)));
        longest = std::max(longest, link.deadline_ms());
    }
    CHECK(longest > 50);
}

TEST_CASE("who subscribes hears what comes, and what is confirmed", "[redis][link]") {
    World world(Role::subscriptions);
    world.up(Role::subscriptions);
    const std::vector<std::string> names{"a", "b"};
    world.link.subscribe(names, world.now);
    CHECK(world.link.output() == "*3\r\n$10\r\nSSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n");
    world.say("*3\r\n" + bulk("ssubscribe") + bulk("a") + ":1\r\n*3\r\n" + bulk("smessage") + bulk("a") +
              bulk("hello") + "*3\r\n" + bulk("ssubscribe") + bulk("b") + ":2\r\n");
    const auto events = world.link.take_events();
    REQUIRE(events.size() == 3);
    CHECK(std::get<RedisLink::Subscribed>(events[0]).channel == "a");
    CHECK(std::get<RedisLink::Heard>(events[1]).payload == "hello");
    CHECK(world.link.unanswered() == 0);
    SECTION("a pong has another shape here") {
        world.now = world.link.deadline_ms();
        world.link.check(world.now);
        world.say("*2\r\n" + bulk("pong") + bulk(""));
        CHECK(world.link.unanswered() == 0);
        CHECK(world.link.state() == State::up);
    }
    SECTION("unsubscribed, asked and unasked") {
        world.link.unsubscribe(std::span(names).first(1), world.now);
        world.say("*3\r\n" + bulk("sunsubscribe") + bulk("a") + ":1\r\n");
        world.say("*3\r\n" + bulk("sunsubscribe") + bulk("b") + ":0\r\n");
        CHECK(world.link.take_events().size() == 2);
        CHECK(world.link.state() == State::up);
    }
    SECTION("forbidden") {
        world.link.subscribe(names, world.now);
        world.say("-NOPERM no permission to access one of the channels\r\n");
        CHECK(world.down().find("MANY MACHINES") != std::string::npos);
    }
    SECTION("a confirmation that nobody asked for") {
        world.say("*3\r\n" + bulk("ssubscribe") + bulk("c") + ":3\r\n");
        CHECK(world.link.state() == State::waiting);
    }
}
