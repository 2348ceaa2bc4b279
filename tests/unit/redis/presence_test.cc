// Who is in a channel, over nodes that share a Redis.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "daemon/message/commons.h"
#include "daemon/message/presence.h"
#include "tests/unit/core/delivery_schedule.h"
#include "tests/unit/redis/redis_fixture.h"

using namespace wayleave;

namespace {

constexpr PresenceRules told_at_once{true, 0};
constexpr PresenceRules with_grace{true, 400};
constexpr PresenceRules untold{false, 0};

RedisSettings quick(uint16_t port) {
    RedisSettings settings = settings_for(port);
    settings.times = {200, 4000, 500, 60'000};
    return settings;
}

// "+ann -bob": what a worker heard, in order.
std::string words(const std::vector<Publication>& messages) {
    std::string out;
    for (const Publication& message : messages) {
        const std::string text(message->frame.payload());
        const size_t at = text.find("\"user\":\"");
        if (at == std::string::npos) continue;
        out += (out.empty() ? "" : " ") + std::string(text.find("$join") != std::string::npos ? "+" : "-") +
               text.substr(at + 8, text.find('"', at + 8) - at - 8);
    }
    return out;
}

class Node : public RedisNode {
  public:
    using RedisNode::RedisNode;

    Presence& presence() { return *broker->commons()->presence(); }
    void come(const std::string& user, const PresenceRules& rules = told_at_once) {
        presence().appear(channel, user, rules, read_clocks());
    }
    void go(const std::string& user, const PresenceRules& rules = told_at_once) {
        presence().disappear(channel, user, rules, read_clocks());
    }
    Roster roster(uint32_t limit = 100) {
        return finish(presence().present(channel, limit, {0, ++ticket}), 0);
    }
    // "ann=2 bob=1 +3": users with their connections, and those without a name.
    std::string who(uint32_t limit = 100) {
        const Roster found = roster(limit);
        if (!found.because.empty()) return found.because;
        std::string out;
        for (const auto& [user, connections] : found.users)
            out += (out.empty() ? "" : " ") + user + "=" + std::to_string(connections);
        if (found.anonymous > 0) out += " +" + std::to_string(found.anonymous);
        return out;
    }
    // What the first worker has heard until `last` is the end of it.
    std::string heard(const std::string& last) {
        (void)comes([&] {
            const std::string more = words(boxes[0].take());
            if (!more.empty()) heard_ += (heard_.empty() ? "" : " ") + more;
            return heard_.ends_with(last);
        });
        return std::exchange(heard_, {});
    }
    size_t nodes() { return broker->commons()->nodes().nodes.size(); }

  private:
    std::string heard_;
};

}  // namespace

TEST_CASE("who is in a channel is known at all nodes, and told once", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    (void)a.join();
    (void)b.join();
    a.come("ann");
    CHECK(a.heard("+ann") == "+ann");
    CHECK(b.heard("+ann") == "+ann");
    b.come("ann");
    b.come("bob");
    CHECK(a.heard("+bob") == "+bob");
    b.come("");
    b.come("");
    a.come("");
    a.come("eve", untold);
    CHECK(comes([&] { return a.who() == "ann=2 bob=1 eve=1 +3" && b.who() == a.who(); }));
    CHECK(a.roster(2).total == 3);
    CHECK(a.roster(2).users.size() == 2);
    a.go("ann");
    a.go("eve", untold);
    b.go("");
    CHECK(comes([&] { return b.who() == "ann=1 bob=1 +2"; }));
    b.go("ann");
    CHECK(a.heard("-ann") == "-ann");
    b.go("bob");
    b.go("");
    a.go("");
    CHECK(b.heard("-bob").ends_with("-ann -bob"));
    CHECK(comes([&] { return a.who().empty(); }));
    // Nothing is left but who is registered.
    CHECK(comes([&] {
        for (const RedisReply& key : server.ask({"KEYS", "wl:1:*"}).items) {
            if (key.text.find(":p:") != std::string::npos || key.text.find(":pn:") != std::string::npos)
                return false;
        }
        return true;
    }));
}

TEST_CASE("who returns within the grace was never gone, at whichever node", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    (void)b.join();
    PresenceRules long_grace = with_grace;
    long_grace.grace_ms = 20'000;
    a.come("ann", long_grace);
    CHECK(b.heard("+ann") == "+ann");
    a.go("ann", long_grace);
    CHECK(comes([&] { return b.who() == "ann=0"; }));
    b.come("ann", long_grace);
    CHECK(comes([&] { return b.who() == "ann=1"; }));
    a.come("bob", with_grace);
    CHECK(b.heard("+bob") == "+bob");
    b.go("ann", with_grace);
    CHECK(b.heard("-ann") == "-ann");
    // He comes and goes before the end of his grace.
    for (int i = 0; i < 3; ++i) {
        a.go("bob", with_grace);
        a.come("bob", with_grace);
    }
    a.go("bob", with_grace);
    CHECK(b.heard("-bob") == "-bob");
    CHECK(comes([&] { return a.who().empty(); }));
}

TEST_CASE("a node that died is swept, and its users are gone after their grace", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    (void)a.join();
    const RedisKeys keys("wl");
    const std::string dead = "00000000dead";
    a.come("ann");
    CHECK(a.heard("+ann") == "+ann");
    // As it would have left them.
    const auto put = [&](const std::string& user, const std::string& value) {
        (void)server.ask({"HSET", keys.users("room"), user, value});
    };
    (void)server.ask({"HSET", keys.users("room"), "ann",
                      "a:0:" + dead + "=3," + a.broker->commons()->nodes().nodes.at(0).id + "=1"});
    put("bob", "a:0:" + dead + "=1");
    put("eve", "a:300:" + dead + "=2");
    put("max", "a:300:@1=" + dead);
    put("tom", "-:0:" + dead + "=2");
    put("", "-:0:" + dead + "=7");
    put("odd", "nothing of ours");
    for (int i = 0; i < 500; ++i) put("many" + std::to_string(i), "-:0:" + dead + "=1");
    (void)server.ask({"SADD", keys.node_channels("room", dead), "room"});
    (void)server.ask({"SADD", keys.node_channels(7, dead), "of another partition"});
    (void)server.ask({"ZADD", keys.nodes(), "1", dead});
    const std::string all = a.heard("-eve");
    CHECK(all.find("-bob") != std::string::npos);
    CHECK(all.find("-max") != std::string::npos);
    CHECK(all.find("ann") == std::string::npos);
    CHECK(all.find("tom") == std::string::npos);
    CHECK(comes([&] { return a.who() == "ann=1 odd=0"; }));
    CHECK(comes([&] { return server.ask({"ZCARD", keys.sweeps()}).number == 0; }));
    CHECK(server.ask({"EXISTS", keys.node_channels("room", dead)}).number == 0);
    CHECK(a.nodes() == 1);
}

TEST_CASE("a Redis that has lost all is told of who is there, and nobody hears of it", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    (void)a.join();
    (void)b.join();
    a.come("ann");
    b.come("bob");
    b.come("eve", {true, 60'000});
    CHECK(comes([&] { return a.who() == "ann=1 bob=1 eve=1"; }));
    b.go("eve", {true, 200});
    (void)server.ask({"FLUSHALL"});
    CHECK(comes([&] { return a.who().starts_with("ann=1 bob=1"); }));
    b.go("bob");
    a.come("tom");
    const std::string all = a.heard("-eve");
    for (const std::string user : {"+ann", "+bob", "+eve", "+tom"})
        CHECK(all.find(user) != std::string::npos);
    CHECK(all.ends_with("-eve"));
    CHECK(std::count(all.begin(), all.end(), '+') == 4);
    CHECK(std::count(all.begin(), all.end(), '-') <= 2);
    CHECK(comes([&] { return b.who() == "ann=1 tom=1"; }));
}

TEST_CASE("what changes while Redis loses all is told once", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    (void)a.join();
    (void)b.join();
    b.come("ann");
    CHECK(a.heard("+ann") == "+ann");
    for (int i = 1; i <= 5; ++i) {
        // The change finds another generation.
        (void)server.ask({"FLUSHALL"});
        b.come("ann");
        const std::string wanted = "ann=" + std::to_string(i + 1);
        CHECK(comes([&] { return a.who() == wanted; }));
    }
    (void)server.ask({"FLUSHALL"});
    b.come("bob");
    CHECK(a.heard("+bob") == "+bob");
    (void)server.ask({"FLUSHALL"});
    b.go("bob");
    CHECK(a.heard("-bob") == "-bob");
    for (int i = 0; i < 6; ++i) b.go("ann");
    CHECK(a.heard("-ann") == "-ann");
    CHECK(comes([&] { return a.who().empty(); }));
}

TEST_CASE("who came and went while nobody knows whether it was written is no ghost", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    (void)a.join();
    (void)b.join();
    b.come("ann");
    CHECK(comes([&] { return a.who() == "ann=1"; }));
    // Redis takes it from the connection that is closed meanwhile.
    server.stop();
    a.come("eve");
    CHECK(comes([&] { return !a.up(); }));
    a.go("eve");
    server.resume();
    CHECK(comes([&] { return b.who() == "ann=1" && a.up(); }));
    CHECK(comes([&] { return server.ask({"HEXISTS", RedisKeys("wl").users("room"), "eve"}).number == 0; }));
    CHECK(b.who() == "ann=1");
}

TEST_CASE("what is told after the answer to who is there is heard", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    // Its channel is one of many that it hears of again.
    for (int i = 0; i < 3000; ++i) a.broker->subscribe(0, "other" + std::to_string(i));
    (void)a.join();
    (void)b.join();
    for (int i = 0; i < 20; ++i) {
        b.come("bob");
        CHECK(comes([&] { return a.who() == "bob=1"; }));
        (void)server.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
        CHECK(comes([&] { return !a.up() || !b.up(); }));
        CHECK(comes([&] { return a.who() == "bob=1"; }));
        b.go("bob");
        CHECK(a.heard("-bob").ends_with("-bob"));
    }
}

TEST_CASE("without Redis the question is answered, and what changes is written later", "[redis][presence]") {
    NEEDS_REDIS();
    RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    (void)a.join();
    (void)b.join();
    a.come("ann");
    CHECK(a.heard("+ann") == "+ann");
    b.come("bob");
    CHECK(a.heard("+bob") == "+bob");
    server.kill();
    CHECK(comes([&] { return !a.up() && !b.up(); }));
    CHECK(comes([&] { return a.who() == "Redis is not connected"; }));
    a.go("ann");
    a.come("eve");
    for (int i = 0; i < 1000; ++i) {
        b.come("user" + std::to_string(i));
        b.go("user" + std::to_string(i));
    }
    server.start();
    CHECK(comes([&] { return a.up() && b.up(); }));
    CHECK(comes([&] { return b.who() == "bob=1 eve=1"; }));
    CHECK(a.heard("").find("user") == std::string::npos);
}

TEST_CASE("presence under a key of another type, and words that are none", "[redis][presence]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    (void)a.join();
    const RedisKeys keys("wl");
    (void)server.ask({"SET", keys.users("room"), "a text"});
    a.come("ann");
    CHECK_FALSE(a.roster().because.empty());
    for (const std::string word : {"J:", "L:", "J:\xff", "J", "X:ann"})
        (void)server.ask({"SPUBLISH", keys.messages("room"), word});
    CHECK(comes([&] { return a.broker->totals().link->malformed >= 5; }));
    (void)server.ask({"DEL", keys.users("room")});
    CHECK(a.heard("+ann") == "+ann");
    CHECK(comes([&] { return a.who() == "ann=1"; }));
}

TEST_CASE("random comings and goings over three nodes", "[redis][presence][model]") {
    NEEDS_REDIS();
    const uint64_t seed = test::from_environment("WAYLEAVE_SEED", 1);
    const uint64_t schedules = std::max<uint64_t>(2, test::from_environment("WAYLEAVE_SCHEDULES", 200) / 50);
    for (uint64_t i = 0; i < schedules; ++i) {
        INFO("WAYLEAVE_SEED=" << seed + i);
        const RedisServer server;
        std::mt19937_64 random(seed + i);
        std::vector<std::unique_ptr<Node>> nodes;
        for (int n = 0; n < 3; ++n) nodes.push_back(std::make_unique<Node>(quick(server.port())));
        for (const auto& node : nodes) (void)node->join();
        std::map<std::string, std::vector<uint32_t>> here;  // by user and node
        const std::vector<std::string> users{"ann", "bob", "eve", "max"};
        for (int step = 0; step < 400; ++step) {
            const std::string& user = users[random() % users.size()];
            const size_t which = random() % nodes.size();
            auto& counts = here[user];
            counts.resize(nodes.size());
            if (random() % 2 == 0) {
                nodes[which]->come(user);
                ++counts[which];
            } else if (counts[which] > 0) {
                nodes[which]->go(user);
                --counts[which];
            }
            if (random() % 100 == 0) (void)server.ask({"SCRIPT", "FLUSH"});
            if (random() % 20 == 0) (void)nodes[which]->roster();
        }
        std::string wanted;
        for (const auto& [user, counts] : here) {
            const uint32_t sum = counts[0] + counts[1] + counts[2];
            if (sum > 0) wanted += (wanted.empty() ? "" : " ") + user + "=" + std::to_string(sum);
        }
        for (const auto& node : nodes) CHECK(comes([&] { return node->who() == wanted; }));
        nodes[0]->come("last");
        std::string first;
        for (const auto& node : nodes) {
            const std::string heard = node->heard("+last");
            if (first.empty()) first = heard;
            // All hear the same, and each user comes and goes in turn.
            CHECK(heard == first);
            std::set<std::string> present;
            std::istringstream words(heard);
            for (std::string word; words >> word;) {
                const std::string user = word.substr(1);
                CHECK((word[0] == '+' ? present.insert(user).second : present.erase(user) == 1));
            }
        }
    }
}
