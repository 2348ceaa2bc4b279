// What nodes have in common beside channels: leases, tokens of one use, places among so many, bans.
#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <random>
#include <set>

#include "daemon/broker/redis/node_report.h"
#include "daemon/message/commons.h"
#include "daemon/message/connection_slots.h"
#include "tests/unit/core/delivery_schedule.h"
#include "tests/unit/redis/redis_fixture.h"

using namespace wayleave;

namespace {

RedisSettings quick(uint16_t port) {
    RedisSettings settings = settings_for(port);
    settings.times = {200, 4000, 500, 60'000, 500};
    return settings;
}

const RedisKeys keys("wl");

class Node : public RedisNode {
  public:
    explicit Node(const RedisSettings& settings) : RedisNode(settings) {
        commons().on_evict([this](const SlotHolder& holder) {
            const std::lock_guard lock(mutex_);
            evicted_.push_back(holder.session);
        });
        commons().hear_bans({[this](const CommonBan& ban) {
                                 const std::lock_guard lock(mutex_);
                                 if (ban.text == "bad") return false;
                                 bans_[ban.key] = ban.text;
                                 return true;
                             },
                             [this](const std::string& key) {
                                 const std::lock_guard lock(mutex_);
                                 bans_.erase(key);
                             }});
    }
    ~Node() {
        held_.clear();
        broker.reset();
    }

    Commons& commons() { return *broker->commons(); }
    Commons::Use use(const std::string& id, uint64_t claim, int64_t ms = 60'000) {
        std::promise<Commons::Use> promise;
        auto told = promise.get_future();
        commons().use_token({"once", id, 1000 + ms, claim}, 1000,
                            [&](Commons::Use answer) { promise.set_value(answer); });
        return told.get();
    }
    void take(const std::string& key, int64_t most, uint64_t session) {
        commons().slots()->take(key, most, {0, session * 7, session});
    }
    void leave(const std::string& key, uint64_t session) {
        commons().slots()->leave(key, {0, session * 7, session});
    }
    // Whether it got a place, which it keeps until give_back().
    bool enter(const std::string& key, int64_t most) {
        std::promise<std::shared_ptr<const HeldPlace>> promise;
        auto told = promise.get_future();
        commons().enter_place(
            {key, most}, [&](std::shared_ptr<const HeldPlace> held) { promise.set_value(std::move(held)); });
        auto held = told.get();
        if (!held) return false;
        held_[key].push_back(std::move(held));
        return true;
    }
    void give_back(const std::string& key) { held_[key].pop_back(); }
    std::vector<uint64_t> evicted() {
        const std::lock_guard lock(mutex_);
        return evicted_;
    }
    std::map<std::string, std::string> bans() {
        const std::lock_guard lock(mutex_);
        return bans_;
    }

  private:
    std::mutex mutex_;
    std::vector<uint64_t> evicted_;
    std::map<std::string, std::vector<std::shared_ptr<const HeldPlace>>> held_;
    std::map<std::string, std::string> bans_;
};

NodeReport said(const std::string& name, const std::string& policy) {
    NodeReport out;
    out.name = name;
    out.policy = policy;
    return out;
}

int64_t seats_in(const RedisServer& server, const std::string& key) {
    return server.ask({"ZCARD", keys.seats(key)}).number;
}

// How many have a place, of all nodes.
int64_t places_in(const RedisServer& server, const std::string& key) {
    int64_t sum = 0;
    for (const RedisReply& one : server.ask({"HVALS", keys.places(key)}).items) sum += std::stoll(one.text);
    return sum;
}

// Both have heard who is dead: the second beat follows the answer to the first.
void two_beats(const RedisServer& server, Node& asked) {
    for (const NodeStatus& node : asked.commons().nodes().nodes) {
        for (int i = 0; i < 2; ++i) {
            const std::string before = server.ask({"ZSCORE", keys.nodes(), node.id}).text;
            CHECK(comes([&] { return server.ask({"ZSCORE", keys.nodes(), node.id}).text != before; }));
        }
    }
}

}  // namespace

TEST_CASE("what a node says of itself is read back, and nothing else is", "[redis]") {
    NodeReport said;
    said.name = "web \"1\"\x1b";
    said.version = "0.1";
    said.policy = "abc";
    said.generation = 7;
    said.connections = UINT64_MAX;
    said.started_ms = 12;
    said.draining = true;
    const auto read = read_node_report(write_node_report(said));
    REQUIRE(read);
    CHECK(read->name == said.name);
    CHECK(read->policy == "abc");
    CHECK(read->generation == 7);
    CHECK(read->connections == UINT64_MAX);
    CHECK(read->draining);
    for (const std::string text : {"", "[]", "{}", "{\"v\":2}", "{\"v\":1", "nothing"})
        CHECK_FALSE(read_node_report(text));
    CHECK_FALSE(read_node_report("{\"v\":1,\"name\":\"" + std::string(9000, 'a') + "\"}"));
    const auto odd = read_node_report(R"({"v":1,"name":7,"connections":-1,"started":1e99,"draining":"yes"})");
    REQUIRE(odd);
    CHECK(odd->name.empty());
    CHECK(odd->connections == 0);
    CHECK_FALSE(odd->draining);
    CHECK(is_node_text(node_text(0xabcdef012345)));
    for (const std::string text : {"", "abcdef01234", "abcdef0123456", "abcdef01234G", "ABCDEF012345"})
        CHECK_FALSE(is_node_text(text));
}

TEST_CASE("nodes know each other while their leases are whole", "[redis][nodes]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    a.commons().report(said("a", "one"));
    {
        Node b(quick(server.port()));
        b.commons().report(said("b", "two"));
        CHECK(comes([&] {
            const NodeList list = a.commons().nodes();
            return list.nodes.size() == 2 && list.nodes[0].report.name == "a" && list.nodes[0].self &&
                   list.nodes[1].report.name == "b" && !list.nodes[1].self && list.skewed_ms > 0;
        }));
        b.commons().report(said("b", "one"));
        CHECK(comes([&] { return a.commons().nodes().skewed_ms == 0; }));
    }
    CHECK(comes([&] { return a.commons().nodes().nodes.size() == 1; }));
    // As if others had buried it.
    const std::string before = a.commons().nodes().nodes.at(0).id;
    (void)server.ask({"ZREM", keys.nodes(), before});
    CHECK(comes([&] { return a.commons().nodes().buried == 1; }));
    CHECK(comes([&] {
        const NodeList list = a.commons().nodes();
        return list.nodes.size() == 1 && list.nodes[0].id != before;
    }));
    (void)server.ask({"FLUSHALL"});
    CHECK(comes([&] { return server.ask({"ZCARD", keys.nodes()}).number == 1; }));
    CHECK(a.commons().nodes().buried == 1);
}

TEST_CASE("of all who use a token one is the first", "[redis][tokens]") {
    NEEDS_REDIS();
    RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    using Use = Commons::Use;
    CHECK(a.use("x", 1) == Use::first);
    CHECK(b.use("x", 1) == Use::again);  // of another node: somebody else
    CHECK(a.use("x", 2) == Use::again);
    CHECK(a.use("x", 1) == Use::first);  // the same asks once more
    CHECK(b.use("y", 1) == Use::first);
    CHECK(a.use("short", 1, 20) == Use::first);
    CHECK(comes([&] { return a.use("short", 2, 20) == Use::first; }));
    std::atomic<int> firsts{0};
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            if ((i % 2 == 0 ? a : b).use("z", 100 + i) == Use::first) ++firsts;
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(firsts == 1);
    (void)server.ask({"CONFIG", "SET", "maxmemory", "1"});
    CHECK(a.use("full", 1) == Use::unavailable);
    (void)server.ask({"CONFIG", "SET", "maxmemory", "0"});
    server.kill();
    CHECK(a.use("away", 1) == Use::unavailable);
    CHECK(comes([&] { return !a.up(); }));
    CHECK(a.use("away", 1) == Use::unavailable);
}

TEST_CASE("the oldest connection loses its place, at whichever node it is", "[redis][seats]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    const auto settled = [&](int64_t seats) {
        return comes([&] { return seats_in(server, "ann") == seats; });
    };
    a.take("ann", 2, 1);
    CHECK(settled(1));
    b.take("ann", 2, 2);
    CHECK(settled(2));
    b.take("ann", 2, 3);
    CHECK(comes([&] { return a.evicted() == std::vector<uint64_t>{1}; }));
    a.take("ann", 2, 4);
    CHECK(comes([&] { return b.evicted() == std::vector<uint64_t>{2}; }));
    a.take("bob", 2, 5);  // another key
    a.leave("ann", 1);    // late
    b.leave("ann", 3);
    CHECK(settled(1));
    a.take("ann", 2, 6);
    CHECK(settled(2));
    CHECK(a.evicted().size() == 1);
    CHECK(b.evicted().size() == 1);
    // At one node alone, too.
    a.take("ann", 2, 7);
    CHECK(comes([&] { return a.evicted() == std::vector<uint64_t>{1, 4}; }));
    CHECK(settled(2));
    // Redis has lost all: they are there again, and a word that was lost is found out.
    (void)server.ask({"FLUSHALL"});
    CHECK(settled(2));
    const std::string newest = "999999999999999999";
    for (const std::string who : {"00000000beef:00000000beef:0:1:1", "00000000beef:00000000beef:0:2:2"})
        (void)server.ask({"ZADD", keys.seats("ann"), newest, who});
    CHECK(comes([&] { return a.evicted().size() == 4; }));
    // The places of the dead are free.
    (void)server.ask({"ZADD", keys.nodes(), "1", "00000000beef"});
    CHECK(comes([&] { return server.ask({"ZSCORE", keys.buried(), "00000000beef"}).text != ""; }));
    two_beats(server, a);
    b.take("ann", 2, 8);
    b.take("ann", 2, 9);
    CHECK(settled(2));
    CHECK(b.evicted().size() == 1);
}

TEST_CASE("one more than there are places for is refused, at whichever node", "[redis][places]") {
    NEEDS_REDIS();
    RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    CHECK(a.enter("ann", 2));
    CHECK(b.enter("ann", 2));
    CHECK_FALSE(a.enter("ann", 2));
    CHECK_FALSE(b.enter("ann", 2));
    CHECK(b.enter("ann", 3));  // another policy permits more
    CHECK(b.enter("bob", 1));  // another key
    CHECK(places_in(server, "ann") == 3);
    b.give_back("ann");
    b.give_back("ann");
    CHECK(comes([&] { return places_in(server, "ann") == 1; }));
    CHECK(b.enter("ann", 2));
    CHECK_FALSE(a.enter("ann", 2));
    CHECK_FALSE(a.enter("none", 0));
    // Redis has lost all: they are written again.
    (void)server.ask({"FLUSHALL"});
    CHECK(comes([&] { return places_in(server, "ann") == 2 && places_in(server, "bob") == 1; }));
    CHECK_FALSE(b.enter("ann", 2));
    // Those of the dead are free, and those of the living are not.
    (void)server.ask({"HSET", keys.places("ann"), "00000000beef", "7"});
    CHECK_FALSE(a.enter("ann", 9));
    (void)server.ask({"ZADD", keys.nodes(), "1", "00000000beef"});
    CHECK(comes([&] { return server.ask({"ZSCORE", keys.buried(), "00000000beef"}).text != ""; }));
    two_beats(server, a);
    CHECK(a.enter("ann", 3));
    CHECK(places_in(server, "ann") == 3);
    // Who was buried and lives has its own under another id.
    const NodeList list = a.commons().nodes();
    for (const NodeStatus& node : list.nodes) {
        if (node.self) (void)server.ask({"ZREM", keys.nodes(), node.id});
    }
    CHECK(comes([&] { return a.commons().nodes().buried == 1; }));
    CHECK(comes([&] { return places_in(server, "ann") >= 5; }));  // also those of the earlier id
    a.give_back("ann");
    a.give_back("ann");
    b.give_back("ann");
    b.give_back("bob");
    CHECK(comes([&] { return server.ask({"EXISTS", keys.places("bob")}).number == 0; }));
    // Garbage under our key is nobody's place.
    (void)server.ask({"DEL", keys.places("eve")});
    (void)server.ask({"HSET", keys.places("eve"), "", "x"});
    CHECK(a.enter("eve", 1));
    CHECK_FALSE(a.enter("eve", 1));
}

TEST_CASE("without Redis each node counts its own places, and tells of them later", "[redis][places]") {
    NEEDS_REDIS();
    RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    CHECK(a.enter("ann", 1));
    const auto malformed = a.broker->totals().link->malformed;
    // A key of another type, and a Redis that is full.
    (void)server.ask({"SET", keys.places("odd"), "a text"});
    CHECK(a.enter("odd", 1));
    CHECK(a.broker->totals().link->malformed > malformed);
    (void)server.ask({"DEL", keys.places("odd")});
    CHECK(comes([&] { return places_in(server, "odd") == 1; }));
    (void)server.ask({"CONFIG", "SET", "maxmemory", "1"});
    CHECK(b.enter("full", 1));
    (void)server.ask({"CONFIG", "SET", "maxmemory", "0"});
    CHECK(comes([&] { return places_in(server, "full") == 1; }));
    CHECK_FALSE(a.enter("full", 1));
    server.kill();
    // While nobody has noticed it, and afterwards.
    CHECK(b.enter("ann", 1));
    CHECK(comes([&] { return !a.up() && !b.up(); }));
    CHECK(b.enter("ann", 1));
    b.give_back("ann");
    for (int i = 0; i < 3000; ++i) {  // who comes and goes meanwhile leaves nothing
        CHECK(b.enter("k" + std::to_string(i), 1));
        b.give_back("k" + std::to_string(i));
    }
    server.start();
    CHECK(comes([&] { return places_in(server, "ann") == 2; }));
    CHECK_FALSE(a.enter("ann", 2));
    CHECK(comes([&] { return server.ask({"KEYS", "wl:1:*:o:*"}).items.size() == 3; }));
    CHECK(a.broker->totals().link->waiting == 0);
    CHECK(b.broker->totals().link->waiting == 0);
}

TEST_CASE("many who come at once at three nodes get as many places as there are", "[redis][places]") {
    NEEDS_REDIS();
    const RedisServer server;
    std::array<std::unique_ptr<Node>, 3> nodes;
    for (auto& node : nodes) node = std::make_unique<Node>(quick(server.port()));
    constexpr int each = 100;
    constexpr int64_t most = 70;
    std::mutex mutex;
    std::vector<std::shared_ptr<const HeldPlace>> held;
    std::atomic<int> answered{0};
    for (int i = 0; i < each; ++i) {
        for (auto& node : nodes) {
            node->commons().enter_place({"door", most}, [&](std::shared_ptr<const HeldPlace> place) {
                const std::lock_guard lock(mutex);
                if (place) held.push_back(std::move(place));
                ++answered;
            });
        }
    }
    CHECK(comes([&] { return answered == 3 * each; }));
    CHECK(held.size() == most);
    CHECK(places_in(server, "door") == most);
    uint64_t calls = 0;
    for (auto& node : nodes) calls += node->broker->totals().link->calls;
    CHECK(calls < 3 * each);  // those that come together go together
    held.clear();
    CHECK(comes([&] { return places_in(server, "door") == 0; }));
}

TEST_CASE("a question goes to all nodes, and who does not answer is named", "[redis][inquiries]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    Node c(quick(server.port()));
    const auto asked = [](Node& node, const std::string& question) {
        std::promise<std::vector<NodeAnswer>> promise;
        auto told = promise.get_future();
        node.commons().ask_nodes(
            question, [&](std::vector<NodeAnswer> answers) { promise.set_value(std::move(answers)); });
        return told.get();
    };
    b.commons().hear_nodes([](const std::string& question, const auto& answer) { answer("b: " + question); });
    c.commons().hear_nodes([](const std::string&, const auto&) {});
    b.commons().report(said("b", "one"));
    CHECK(comes([&] { return a.commons().nodes().nodes.size() == 3; }));
    CHECK(comes([&] {
        const NodeList list = a.commons().nodes();
        return std::any_of(list.nodes.begin(), list.nodes.end(),
                           [](const NodeStatus& node) { return node.report.name == "b"; });
    }));
    const auto answers = asked(a, "who?");
    REQUIRE(answers.size() == 2);
    for (const NodeAnswer& one : answers) {
        const bool from_b = one.node.report.name == "b";
        CHECK(one.text == (from_b ? "b: who?" : ""));
        CHECK(one.because.empty() == from_b);
    }
    CHECK(asked(a, std::string(20'000, 'x')).at(0).because == "too much is asked");
    // What is none, and more than is taken in a second.
    const auto before = b.broker->totals().link->malformed;
    const std::string node = "00000000beef";
    const std::vector<std::string> wrong{
        std::string("Q"),    std::string("Q::"),     "Qnobody:1:x",
        "Q" + node + ":x:y", "Q" + node + ":1:\xff", "Q" + node + ":1:" + std::string(20'000, 'x'),
        std::string("A"),    "A" + node + ":1:",     "A" + node + ":1"};
    for (const std::string& one : wrong) (void)server.ask({"SPUBLISH", keys.control(), one});
    CHECK(comes([&] { return b.broker->totals().link->malformed >= before + wrong.size(); }));
    (void)server.ask({"SPUBLISH", keys.control(), "A" + node + ":7:late"});
    CHECK(comes([&] {
        for (int i = 0; i < 100; ++i) (void)server.ask({"SPUBLISH", keys.control(), "Q" + node + ":1:x"});
        return b.commons().nodes().questions_dropped > 0;
    }));
    (void)server.ask({"CLIENT", "KILL", "TYPE", "normal"});
    CHECK(comes([&] { return a.up() && b.up() && c.up(); }));
    server.stop();
    CHECK(comes([&] { return !a.up(); }));
    for (const NodeAnswer& one : asked(a, "who?")) CHECK_FALSE(one.because.empty());
    server.resume();
}

TEST_CASE("words about places that are none", "[redis][seats]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    a.take("ann", 5, 1);
    CHECK(comes([&] { return seats_in(server, "ann") == 1; }));
    const std::string name = keys.seats("ann");
    const auto before = a.broker->totals().link->malformed;
    const std::string size = std::to_string(name.size());
    const std::vector<std::string> wrong{"E",
                                         "E:",
                                         "E9:abc",
                                         "E99999:" + name + "a:b:0:7:1",
                                         "E" + size + ":" + name,
                                         "E" + size + ":" + name + "a:b:99999999999:7:1",
                                         "E" + size + ":" + name + "a:b:0:x:1",
                                         "Z",
                                         "",
                                         "B",
                                         "Babc",
                                         "B::",
                                         "B00000000beef:5:99:k",
                                         "B00000000beef:-5:1:kx",
                                         "Bnobody:5:1:kx",
                                         "B00000000beef:5:0:x",
                                         "B00000000beef:5:1:kbad",
                                         "B00000000beef:5:1:k\xff"};
    for (const std::string& word : wrong) (void)server.ask({"SPUBLISH", keys.control(), word});
    CHECK(comes([&] { return a.broker->totals().link->malformed >= before + wrong.size(); }));
    CHECK(a.evicted().empty());
    // Of others nothing is taken; of ours it is.
    (void)server.ask({"SPUBLISH", keys.control(), "E" + size + ":" + name + "a:b:0:7:2"});
    (void)server.ask({"SPUBLISH", keys.control(), "E" + size + ":" + name + "a:b:0:7:1"});
    CHECK(comes([&] { return a.evicted() == std::vector<uint64_t>{1}; }));
    // A key of another type is nobody's place.
    (void)server.ask({"SET", keys.seats("bob"), "a text"});
    a.take("bob", 1, 2);
    CHECK(comes([&] { return a.broker->totals().link->malformed > before + wrong.size(); }));
    (void)server.ask({"DEL", keys.seats("bob")});
    CHECK(comes([&] { return seats_in(server, "bob") == 1; }));
}

TEST_CASE("bans are those of all nodes, and of those that come later", "[redis][bans]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    using Bans = std::map<std::string, std::string>;
    const std::string key("k\0\xff:1", 6);
    a.commons().begin_ban({key, "one", 60'000});
    CHECK(comes([&] { return b.bans() == Bans{{key, "one"}}; }));
    CHECK(a.bans().empty());  // it has it already
    Node c(quick(server.port()));
    CHECK(comes([&] { return c.bans() == Bans{{key, "one"}}; }));
    b.commons().begin_ban({"short", "two", 200});
    CHECK(comes([&] { return a.bans().contains("short"); }));
    c.commons().lift_ban(key);
    CHECK(comes([&] { return !b.bans().contains(key) && !a.bans().contains(key); }));
    CHECK(comes([&] { return server.ask({"ZSCORE", keys.bans(), key}).text.empty(); }));
    // Redis has lost them, and those that began them say them again.
    b.commons().begin_ban({"long", "three", 600'000});
    CHECK(comes([&] { return server.ask({"HGET", keys.ban_texts(), "long"}).text == "three"; }));
    (void)server.ask({"FLUSHALL"});
    CHECK(comes([&] { return server.ask({"HGET", keys.ban_texts(), "long"}).text == "three"; }));
    CHECK(server.ask({"HGET", keys.ban_texts(), key}).text.empty());
    for (int i = 0; i < 1200; ++i) a.commons().begin_ban({"many" + std::to_string(i), "x", 600'000});
    CHECK(comes([&] { return server.ask({"ZCARD", keys.bans()}).number >= 1201; }));
    Node d(quick(server.port()));
    CHECK(comes([&] { return d.bans().size() >= 1201; }));
}

TEST_CASE("a ban that was lifted while a node heard nothing ends there, too", "[redis][bans]") {
    NEEDS_REDIS();
    const RedisServer server;
    Node a(quick(server.port()));
    Node b(quick(server.port()));
    a.commons().begin_ban({"kept", "one", 600'000});
    a.commons().begin_ban({"lifted", "two", 600'000});
    CHECK(comes([&] { return b.bans().size() == 2; }));
    CHECK(comes([&] { return server.ask({"ZCARD", keys.bans()}).number == 2; }));
    // As another node does, whose word neither hears.
    (void)server.ask({"ZREM", keys.bans(), "lifted"});
    (void)server.ask({"HDEL", keys.ban_texts(), "lifted"});
    (void)server.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
    CHECK(comes([&] { return !b.bans().contains("lifted"); }));
    CHECK(b.bans().contains("kept"));
    // Nor does the one that began it write it anew.
    a.commons().begin_ban({"later", "three", 600'000});
    CHECK(comes([&] { return b.bans().contains("later"); }));
    CHECK(server.ask({"ZSCORE", keys.bans(), "lifted"}).text.empty());
}

TEST_CASE("random takings and leavings over three nodes", "[redis][seats][model]") {
    NEEDS_REDIS();
    const uint64_t seed = test::from_environment("WAYLEAVE_SEED", 1);
    const uint64_t schedules = std::max<uint64_t>(2, test::from_environment("WAYLEAVE_SCHEDULES", 200) / 50);
    for (uint64_t i = 0; i < schedules; ++i) {
        INFO("WAYLEAVE_SEED=" << seed + i);
        const RedisServer server;
        std::mt19937_64 random(seed + i);
        std::vector<std::unique_ptr<Node>> nodes;
        for (int n = 0; n < 3; ++n) nodes.push_back(std::make_unique<Node>(quick(server.port())));
        std::vector<std::map<uint64_t, std::string>> held(nodes.size());
        const std::vector<std::string> users{"ann", "bob", "eve"};
        uint64_t sessions = 0;
        for (int step = 0; step < 300; ++step) {
            const size_t which = random() % nodes.size();
            if (random() % 3 != 0 || held[which].empty()) {
                const std::string& user = users[random() % users.size()];
                nodes[which]->take(user, 3, ++sessions);
                held[which][sessions] = user;
            } else {
                const auto it = held[which].begin();
                nodes[which]->leave(it->second, it->first);
                held[which].erase(it);
            }
            if (random() % 100 == 0) (void)server.ask({"SCRIPT", "FLUSH"});
        }
        // After a while each user has as many as there may be, or as came, and nobody has lost his for
        // nothing.
        const auto left = [&](const std::string& user) {
            size_t count = 0;
            for (size_t n = 0; n < nodes.size(); ++n) {
                const auto gone = nodes[n]->evicted();
                for (const auto& [session, whose] : held[n])
                    count +=
                        whose == user && std::find(gone.begin(), gone.end(), session) == gone.end() ? 1U : 0U;
            }
            return count;
        };
        for (const std::string& user : users) {
            INFO(user);
            CHECK(comes([&] {
                return left(user) <= 3 && static_cast<int64_t>(left(user)) == seats_in(server, user);
            }));
        }
        for (const auto& node : nodes) {
            auto gone = node->evicted();
            std::sort(gone.begin(), gone.end());
            CHECK(std::adjacent_find(gone.begin(), gone.end()) == gone.end());  // told once
        }
    }
}
