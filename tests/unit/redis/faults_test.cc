// What breaks, and that it comes back by itself.
#include <filesystem>
#include <fstream>

#include "tests/unit/redis/redis_fixture.h"
#include "tests/unit/redis/tcp_proxy.h"

using namespace wayleave;

namespace {

bool works(RedisNode& node) {
    return node.publish("probe").status == Receipt::Status::accepted;
}

std::string offsets(const std::vector<Publication>& messages) {
    std::string out;
    for (const auto& message : messages)
        out += (out.empty() ? "" : " ") + std::to_string(message->position.offset);
    return out;
}

}  // namespace

TEST_CASE("a Redis that is killed and comes back empty begins new epochs; all is said", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    (void)a.join();
    (void)b.join();
    const Position before = a.publish("a").position;
    REQUIRE(b.boxes[0].take(1).size() == 1);
    server.kill();
    CHECK(comes([&] { return !a.up() && !a.broker->health().empty(); }));
    CHECK(comes([&] { return a.publish("x").because == "Redis is not connected"; }));
    CHECK(a.read(a.query()).because == "Redis is not connected");
    CHECK(a.acknowledge("ann", before).status == Receipt::Status::unavailable);
    CHECK(a.broker->health().find("127.0.0.1:" + std::to_string(server.port())) != std::string::npos);
    server.start();
    CHECK(comes([&] { return works(a) && works(b); }));
    CHECK(a.broker->health().empty());
    const Position after = a.publish("b").position;
    CHECK(after.epoch != before.epoch);
    CHECK_FALSE(b.since(before.epoch, before.offset).recovered);
    CHECK(b.since(before.epoch, before.offset).top.epoch == after.epoch);
    CHECK(b.boxes[0].take(1).at(0)->position.epoch == after.epoch);
    CHECK(a.reports().find("bad: Redis at 127.0.0.1") != std::string::npos);
}

TEST_CASE("a Redis that kept its data goes on with the offsets, in new epochs", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
    RedisSettings settings = settings_for(server.port());
    settings.trust_after_fork = GENERATE(false, true);
    RedisNode a(settings);
    (void)a.join();
    Position before;
    for (int i = 0; i < 5; ++i) before = a.publish("x").position;
    REQUIRE(a.boxes[0].take(5).size() == 5);
    CHECK(a.acknowledge("ann", {before.epoch, 3}).status == Receipt::Status::accepted);
    server.kill();
    server.start();
    CHECK(comes([&] { return a.up(); }));
    Position after;
    CHECK(comes([&] {
        const Receipt receipt = a.publish("y");
        after = receipt.position;
        return receipt.status == Receipt::Status::accepted;
    }));
    CHECK(after.offset >= 6);
    CHECK((after.epoch == before.epoch) == settings.trust_after_fork);
    Query asked = a.query();
    asked.user = "ann";
    const Page page = a.read(asked);
    CHECK(page.messages.at(0)->position == Position{after.epoch, 4});  // kept, in the numbering that goes on
    CHECK(page.recovered);
}

TEST_CASE("a quiet channel is told of a new epoch, too", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)a.join();
    const Position before = a.publish("a").position;
    REQUIRE(a.boxes[0].take(1).size() == 1);
    SECTION("after a restart") {
        server.kill();
        server.start();
    }
    SECTION("after FLUSHALL, when somebody else has noticed") {
        (void)server.ask({"FLUSHALL"});
        a.channel = "other";
        CHECK(works(a));
        a.channel = "room";
    }
    const Position stands = a.boxes[0].stands("room");
    CHECK(stands.epoch != 0);
    CHECK(stands.epoch != before.epoch);
    CHECK(stands.offset == 0);
    CHECK(a.publish("b").position == Position{stands.epoch, 1});
    CHECK(offsets(a.boxes[0].take(1)) == "1");
}

TEST_CASE("scripts that are forgotten are loaded again", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)a.join();
    CHECK(a.publish("a").position.offset == 1);
    (void)server.ask({"SCRIPT", "FLUSH"});
    CHECK(a.publish("b").position.offset == 2);
    CHECK(brief(a.boxes[0].take(2)) == "1=a 2=b");
    (void)server.ask({"SCRIPT", "FLUSH"});
    CHECK(a.progress("ann").top.offset == 2);
}

TEST_CASE("a Redis that stands still is noticed, and nothing waits for it for long", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)a.join();
    server.stop();
    const Receipt receipt = a.publish("x");  // it waits until the link has waited long enough
    CHECK(receipt.status == Receipt::Status::unavailable);
    CHECK(comes([&] { return !a.broker->health().empty(); }));
    CHECK(comes([&] { return a.publish("x").because == "Redis is not connected"; }));
    server.resume();
    CHECK(comes([&] { return works(a); }));
    CHECK(a.broker->health().empty());
}

TEST_CASE("a cut connection loses nothing that was answered, and what was missed is read",
          "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    TcpProxy proxy(server.port());
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(proxy.port()));
    (void)b.join();
    CHECK(a.publish("1").position.offset == 1);
    REQUIRE(b.boxes[0].take(1).size() == 1);
    proxy.hold(true);
    for (int i = 2; i <= 5; ++i) CHECK(a.publish("x").position.offset == static_cast<uint64_t>(i));
    proxy.cut();
    proxy.hold(false);
    // Nothing more is published: the comparison of tops finds the tail.
    CHECK(offsets(b.boxes[0].take(4)) == "2 3 4 5");
    CHECK(comes([&] { return b.broker->totals().link->repaired >= 1; }));
    CHECK(b.broker->totals().link->resubscribed >= 1);
    CHECK(a.publish("x").position.offset == 6);
    CHECK(offsets(b.boxes[0].take(1)) == "6");
}

TEST_CASE("a gap that cannot be read is shown to the workers by its numbers", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    TcpProxy proxy(server.port());
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(proxy.port()));
    a.retention.history = b.retention.history = 2;
    (void)b.join();
    const uint64_t epoch = a.publish("1").position.epoch;
    REQUIRE(b.boxes[0].take(1).size() == 1);
    proxy.cut();
    proxy.hold(true);
    for (int i = 2; i <= 9; ++i) (void)a.publish("x");
    proxy.hold(false);
    CHECK(comes([&] { return b.up() && b.broker->totals().link->unrepaired >= 1; }));
    CHECK(b.boxes[0].stands("room") == Position{epoch, 9});  // though nothing more is published
    CHECK(a.publish("x").position.offset == 10);
    CHECK(comes([&] { return offsets(b.boxes[0].take()).ends_with("10"); }));
    CHECK_FALSE(b.since(epoch, 1).recovered);
}

TEST_CASE("subscriptions that hear nothing are noticed by a probe", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    TcpProxy proxy(server.port());
    RedisNode a(settings_for(proxy.port()));
    (void)a.join();
    const uint64_t dials = a.broker->totals().link->dials;
    proxy.deafen(true);
    CHECK(comes([&] { return !a.up(); }));
    CHECK(comes([&] { return a.broker->totals().link->dials > dials; }));
    proxy.deafen(false);
    CHECK(comes([&] { return works(a); }));
}

TEST_CASE("bytes may come one at a time, and a link may break again and again", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    TcpProxy proxy(server.port());
    proxy.by_bytes(true);
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(proxy.port()));
    (void)b.join();
    CHECK(a.publish("a").position.offset == 1);
    CHECK(b.publish("b").position.offset == 2);
    CHECK(offsets(b.boxes[0].take(2)) == "1 2");
    proxy.by_bytes(false);
    uint64_t last = 2;
    for (int i = 0; i < 5; ++i) {
        proxy.cut();
        last = a.publish("x").position.offset;
        CHECK(comes([&] { return b.publish("y").status == Receipt::Status::accepted; }));
    }
    last = a.publish("z").position.offset;
    std::vector<Publication> heard;
    CHECK(comes([&] {
        for (const auto& message : b.boxes[0].take()) heard.push_back(message);
        return !heard.empty() && heard.back()->position.offset == last;
    }));
    std::string all;
    for (uint64_t i = 3; i <= last; ++i) all += (i == 3 ? "" : " ") + std::to_string(i);
    CHECK(offsets(heard) == all);
}

TEST_CASE("a Redis without memory refuses publishers, and what is not kept goes on", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)a.join();
    CHECK(a.publish("a").position.offset == 1);
    (void)server.ask({"CONFIG", "SET", "maxmemory", "1"});
    CHECK(a.publish("b").because == "Redis is out of memory");
    CHECK(brief(a.all().messages) == "1=a");  // it can be read
    a.retention.history = 0;
    CHECK(a.publish("c").status == Receipt::Status::accepted);
    CHECK(brief(a.boxes[0].take(2)) == "1=a 0=c");
    RedisNode late(settings_for(server.port()));  // and come to
    CHECK(late.up());
    a.retention.history = 100;
    (void)server.ask({"CONFIG", "SET", "maxmemory", "0"});
    CHECK(a.publish("d").position.offset == 2);
}

TEST_CASE("a key of another program fails its own channel", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)server.ask({"SET", RedisKeys("wl").numbering("bad"), "x"});
    a.channel = "bad";
    CHECK(a.publish("x").status == Receipt::Status::unavailable);
    CHECK_FALSE(a.all().because.empty());
    a.channel = "good";
    CHECK(works(a));
    (void)a.join();
    (void)server.ask({"SPUBLISH", RedisKeys("wl").messages("good"), "garbage"});
    CHECK(comes([&] { return a.broker->totals().link->malformed == 1; }));
    CHECK(works(a));
}

TEST_CASE("a server that is not fit is refused at the start, one that is away is not", "[redis][faults]") {
    NEEDS_REDIS();
    SECTION("another schema") {
        RedisServer server;
        (void)server.ask({"SET", RedisKeys("wl").schema(), "7"});
        RedisNode a(settings_for(server.port()));
        CHECK(a.refused.find("schema 7") != std::string::npos);
    }
    SECTION("an eviction policy: it starts, and says what to change, until that is changed") {
        RedisServer server({"--maxmemory-policy", "allkeys-lru"});
        RedisNode a(settings_for(server.port()));
        REQUIRE(a.broker);
        CHECK_FALSE(a.up());
        CHECK(a.broker->health().find("set maxmemory-policy noeviction") != std::string::npos);
        (void)server.ask({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
        CHECK(comes([&] { return a.up(); }));
    }
    SECTION("a replica") {
        RedisServer primary;
        RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(primary.port())});
        RedisNode a(settings_for(replica.port()));
        REQUIRE(a.broker);
        CHECK_FALSE(a.up());
        CHECK(comes([&] { return a.broker->health().find("no primary") != std::string::npos; }));
    }
    SECTION("nobody there") {
        RedisNode a(settings_for(free_port()));
        REQUIRE(a.broker);
        CHECK(comes([&] { return a.publish("x").status == Receipt::Status::unavailable; }));
    }
    SECTION("no such name") {
        RedisSettings settings = settings_for(1);
        settings.target.host = "no-such-name.invalid";
        RedisNode a(settings);
        REQUIRE(a.broker);
        CHECK(comes([&] { return !a.broker->health().empty(); }));
    }
}

// The line that the manual gives.
TEST_CASE("a user needs few rights, and what is missing is named", "[redis][faults]") {
    NEEDS_REDIS();
    RedisServer server;
    const std::string page = [] {
        std::ifstream file(std::string(PROJECT_DIR) + "/man/wayleave.8");
        return std::string(std::istreambuf_iterator<char>(file), {});
    }();
    const size_t at = page.find("ACL SETUSER wayleave ");
    REQUIRE(at != std::string::npos);
    std::vector<std::string> rules{"ACL", "SETUSER", "app"};
    std::string line;
    for (size_t i = at + 21; page.compare(i, 3, "\n.E") != 0; ++i) line += page[i] == '\n' ? ' ' : page[i];
    for (size_t i = 0; i < line.size();) {
        const size_t end = std::min(line.find(' ', i), line.size());
        std::string word = line.substr(i, end - i);
        i = end + 1;
        if (word.empty() || word == "\\e") continue;
        for (size_t k; (k = word.find("\\-")) != std::string::npos;) word.replace(k, 2, "-");
        for (size_t k; (k = word.find("\\(ti")) != std::string::npos;) word.replace(k, 4, "~");
        if (const size_t k = word.find("wayleave:"); k != std::string::npos) word.replace(k, 9, "wl:");
        if (word.starts_with(">")) word = ">secret";
        rules.push_back(word);
    }
    const RedisReply set = server.ask(rules);
    INFO(set.text);
    REQUIRE(set.text == "OK");
    RedisSettings settings = settings_for(server.port());
    settings.access.user = "app";
    settings.access.password = "secret";
    settings.times = {200, 4000, 500, 60'000, 500};
    SECTION("with them all works") {
        RedisNode a(settings);
        INFO(a.broker->health());
        REQUIRE(a.up());
        (void)a.join();
        const Position position = a.publish("a", "id").position;
        CHECK(position.offset == 1);
        CHECK(a.acknowledge("ann", position).status == Receipt::Status::accepted);
        CHECK(a.progress("ann").acknowledged == 1);
        a.retention.history = 1;
        CHECK(a.publish("b").position.offset == 2);
        CHECK(a.all().messages.size() == 1);
        a.retention.history = 0;
        CHECK(a.publish("c").status == Receipt::Status::accepted);
        CHECK(brief(a.boxes[0].take(3)) == "1=a 2=b 0=c");
        // And what nodes have in common.
        const RedisKeys keys("wl");
        Commons& commons = *a.broker->commons();
        CHECK(comes([&] { return commons.nodes().nodes.size() == 1; }));
        const auto present = [&] {
            return a.finish(commons.presence()->present("room", 5, {0, ++a.ticket}), 0).users.size();
        };
        commons.presence()->appear("room", "ann", {true, 0}, read_clocks());
        CHECK(comes([&] { return present() == 1; }));
        commons.presence()->disappear("room", "ann", {true, 0}, read_clocks());
        CHECK(comes([&] { return present() == 0; }));
        for (uint64_t i = 1; i <= 2; ++i) commons.slots()->take("k", 1, {0, i, i});
        commons.begin_ban({"key", "text", 60'000});
        (void)server.ask({"SADD", keys.node_channels("room", "00000000dead"), "room"});
        (void)server.ask({"ZADD", keys.nodes(), "1", "00000000dead"});
        CHECK(comes([&] {
            return server.ask({"ZCARD", keys.bans()}).number == 1 &&
                   server.ask({"ZCARD", keys.seats("k")}).number == 1 &&
                   server.ask({"EXISTS", keys.node_channels("room", "00000000dead")}).number == 0;
        }));
        // And where replicas are waited for: there is none.
        settings.replicas = 1;
        RedisNode b(settings);
        INFO(b.broker->health());
        REQUIRE(b.up());
        CHECK(b.publish("d").because.find("too few replicas") != std::string::npos);
        CHECK(server.ask({"ACL", "LOG"}).items.empty());  // nothing was forbidden
    }
    SECTION("without channels it starts, and says so") {
        (void)server.ask({"ACL", "SETUSER", "app", "resetchannels"});
        RedisNode a(settings);
        CHECK_FALSE(a.up());
        CHECK(a.broker->health().find("MANY MACHINES") != std::string::npos);
        (void)server.ask({"ACL", "SETUSER", "app", "&wl:*"});
        CHECK(comes([&] { return a.up(); }));
    }
    SECTION("with another password") {
        settings.access.password = "wrong";
        RedisNode a(settings);
        CHECK_FALSE(a.up());
        CHECK(a.broker->health().find("redis.password_file") != std::string::npos);
        CHECK(a.broker->health().find("wrong") == std::string::npos);
    }
}
