// The ladder of bans: alone, and as the gateway climbs it.
#include "daemon/decision/bans.h"
#include "daemon/decision/ban_text.h"

#include <catch2/catch.hpp>

#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

dsl::Ban ban_of(int64_t after, int64_t per_ms, int64_t first_ms, int64_t up_to_ms) {
    dsl::Ban ban;
    ban.after = after;
    ban.per_ms = per_ms;
    ban.duration_ms = first_ms;
    ban.up_to_ms = up_to_ms;
    return ban;
}

BanEntry nobody() {
    return {"", "ip 10.0.0.1", "r", "r:1:1", "", 0, 0};
}

const std::string policy = R"(
token session { keys = file "k"  exp = optional from header "Authorization" claim sub : string required }
route chat /chat {
    auth    = session
    origins = { none }
    allow connect if user.sub != "mallory"
    allow subscribe on a
    ban ip for 30s up to 2m after 3 refusals per 1m because "too many refused requests"
    ban user.sub for 10s after 2 limits per 10s
    limit messages to 2/s per user.sub
    limit subscriptions to 2 per user.sub
    message say { allow field text : string required publish to a }
}
route one /one {
    auth    = session
    origins = { none }
    allow connect
    allow subscribe on *
    limit connections to 2 per user.sub on excess replace_oldest
    limit subscriptions to 2 per user.sub then error "too_many"
    limit bytes to 100b/s per connection burst 200
    message say { allow }
}
)";

const std::string good = "Authorization: Bearer {\"sub\":\"u1\"}\r\n";
const std::string bad = "Authorization: Bearer bad\r\n";

}  // namespace

TEST_CASE("a ban begins with the last that is counted, doubles, and is forgotten") {
    BanTable table;
    const dsl::Ban ban = ban_of(3, 60'000, 30'000, 100'000);
    const auto count = [&](int64_t now) { return table.count("k", ban, nobody, now); };
    CHECK(count(1000).left_ms == 0);
    CHECK(count(2000).left_ms == 0);
    CHECK_FALSE(table.left("k", 2000));
    const auto begun = count(3000);
    CHECK(begun.begun);
    CHECK(begun.left_ms == 30'000);
    CHECK(table.left("k", 3001) == 29'999);
    CHECK_FALSE(table.left("other", 3001));
    // Attempts meanwhile do not lengthen it.
    CHECK_FALSE(count(13'000).begun);
    CHECK(table.left("k", 13'000) == 20'000);
    CHECK_FALSE(table.left("k", 33'000));
    for (const int64_t now : {34'000, 34'001}) CHECK(count(now).left_ms == 0);
    CHECK(count(34'002).left_ms == 60'000);
    for (const int64_t now : {95'000, 95'001}) CHECK(count(now).left_ms == 0);
    CHECK(count(95'002).left_ms == 100'000);  // the bound
    // Quiet for the bound after its end.
    for (const int64_t now : {296'000, 296'001}) CHECK(count(now).left_ms == 0);
    CHECK(count(296'002).left_ms == 30'000);
    CHECK(table.begun() == 4);
}

TEST_CASE("slow offenders are never banned") {
    BanTable table;
    const dsl::Ban ban = ban_of(3, 60'000, 30'000, 30'000);
    for (int64_t now = 0; now < 3'600'000; now += 31'000)
        CHECK(table.count("k", ban, nobody, now).left_ms == 0);
    // But those who straddle two windows are.
    BanTable other;
    CHECK(other.count("k", ban, nobody, 0).left_ms == 0);
    CHECK(other.count("k", ban, nobody, 59'000).left_ms == 0);
    CHECK(other.count("k", ban, nobody, 61'000).left_ms == 0);  // two of the last minute
    CHECK(other.count("k", ban, nobody, 62'000).left_ms > 0);
}

TEST_CASE("bans are listed and lifted") {
    BanTable table;
    const dsl::Ban ban = ban_of(1, 1000, 30'000, 30'000);
    CHECK(table.count("a", ban, nobody, 0).begun);
    CHECK(table
              .count(
                  "b", ban, [] { return BanEntry{"", "ip 10.0.0.2", "r", "r:1:1", "", 0, 0}; }, 1000)
              .begun);
    const auto list = table.list(2000);
    REQUIRE(list.size() == 2);
    CHECK(list[0].who == "ip 10.0.0.2");
    CHECK(list[0].left_ms == 29'000);
    CHECK(list[0].id.size() == 12);
    CHECK(table.in_force() == 2);
    CHECK(table.lift("ip 10.0.0.9", 2000).empty());
    CHECK(table.lift(list[0].id, 2000).size() == 1);
    CHECK(table.lift("ip 10.0.0.1", 2000).size() == 1);
    CHECK(table.list(2000).empty());
    CHECK(table.in_force() == 0);
    CHECK_FALSE(table.left("a", 2000));
}

TEST_CASE("a ban is lifted by what it is about") {
    const auto net = [](const char* text) { return *dsl::parse_net(text); };
    const BanEntry address{"", "ip 127.0.7.1", "r", "r:1:1", "", 0, 0, {"127.0.7.1"}, {net("127.0.7.1")}};
    const BanEntry of_ipv6{
        "", "ip 2001:db8::5", "r", "r:1:1", "", 0, 0, {"2001:db8::5"}, {net("2001:db8::/64")}};
    const BanEntry subnet{
        "", "subnet 10.1.2.0/24", "r", "r:1:1", "", 0, 0, {"10.1.2.0/24"}, {net("10.1.2.0/24")}};
    const BanEntry user{"", "user.sub \"alice\"", "r", "r:1:1", "", 0, 0, {"alice"}, {}};
    const auto lifted = [&](const std::string& name) {
        BanTable table;
        const dsl::Ban ban = ban_of(1, 1000, 30'000, 30'000);
        for (const BanEntry& entry : {address, of_ipv6, subnet, user})
            (void)table.count(
                entry.who, ban, [&] { return entry; }, 0);
        return table.lift(name, 10).size();
    };
    for (const std::string name :
         {"127.0.7.1", "127.0.7.1/32", "127.0.0.0/8", "::ffff:127.0.7.1", "2001:db8::5", "2001:db8::77",
          "2001:db8::/32", "10.1.2.0/24", "10.1.2.9", "10.0.0.0/8", "alice", "ip 127.0.7.1"}) {
        INFO(name);
        CHECK(lifted(name) == 1);
    }
    for (const std::string name : {"127.0.7.2", "2001:db8:0:1::5", "10.1.3.9", "bob", "", "ip"}) {
        INFO(name);
        CHECK(lifted(name) == 0);
    }
    CHECK(lifted("::/0") == 3);
}

TEST_CASE("a flood of strangers does not grow the table, nor free those who are banned") {
    BanTable table(640);
    const dsl::Ban strict = ban_of(1, 1000, 3'600'000, 3'600'000);
    const dsl::Ban mild = ban_of(100, 1000, 1000, 1000);
    for (int i = 0; i < 64; ++i) (void)table.count("villain" + std::to_string(i), strict, nobody, 0);
    for (int i = 0; i < 20'000; ++i) (void)table.count("x" + std::to_string(i), mild, nobody, 1);
    CHECK(table.overflows() >= 19'000);
    size_t banned = 0;
    for (int i = 0; i < 64; ++i) banned += table.left("villain" + std::to_string(i), 2) ? 1 : 0;
    CHECK(banned >= 56);
    for (int i = 0; i < 64; ++i) table.forget_quiet(10'000'000);
    CHECK(table.in_force() == 0);
}

TEST_CASE("refused handshakes lead to a ban, which a good token does not lift") {
    World world(policy);
    for (int i = 0; i < 3; ++i) {
        const auto id = world.connect("/chat", bad);
        CHECK_THAT(world.read(id), StartsWith("HTTP/1.1 401"));
        world.gone(id);
    }
    const auto id = world.connect("/chat", good);
    CHECK_THAT(world.read(id), StartsWith("HTTP/1.1 403") && Contains("too many refused requests") &&
                                   Contains("\"error\":\"banned\"") && Contains("Retry-After: 30\r\n"));
    world.gone(id);
    CHECK_THAT(world.read(world.connect("/chat", good, "10.0.0.2")), StartsWith("HTTP/1.1 101"));
    REQUIRE(world.bans.list(world.now.steady_ms).size() == 1);
    CHECK(world.bans.list(world.now.steady_ms)[0].values == std::vector<std::string>{"10.0.0.1"});
    CHECK(world.bans.list(world.now.steady_ms)[0].networks ==
          std::vector<dsl::Net>{*dsl::parse_net("10.0.0.1")});
    CHECK(world.bans.list(world.now.steady_ms)[0].who == "ip 10.0.0.1");
    world.now.steady_ms += 30'000;
    CHECK_THAT(world.read(world.connect("/chat", good)), StartsWith("HTTP/1.1 101"));
}

TEST_CASE("IPv6 is banned by its /64") {
    World world(policy);
    for (int i = 1; i <= 3; ++i) (void)world.connect("/chat", bad, "2001:db8:0:1::" + std::to_string(i));
    CHECK_THAT(world.read(world.connect("/chat", good, "2001:db8:0:1:ffff::1")), StartsWith("HTTP/1.1 403"));
    CHECK_THAT(world.read(world.connect("/chat", good, "2001:db8:0:2::1")), StartsWith("HTTP/1.1 101"));
}

TEST_CASE("who earns a ban on an open connection is closed, and not let in under that name") {
    World world(policy);
    const auto id = world.connect("/chat", good);
    (void)world.read(id);
    for (int i = 0; i < 4; ++i) world.feed(id, masked(Opcode::text, R"({"type":"say","text":"x"})"));
    const auto frames = world.frames(id);
    CHECK_THAT(frames.at(frames.size() - 2), Contains(R"("type":"$bye","code":4430)"));
    CHECK(frames.back() == "close 4430 too much was refused lately");
    world.gone(id);
    CHECK_THAT(world.read(world.connect("/chat", good, "10.0.0.7")), StartsWith("HTTP/1.1 403"));
    const std::string other = "Authorization: Bearer {\"sub\":\"u2\"}\r\n";
    CHECK_THAT(world.read(world.connect("/chat", other, "10.0.0.7")), StartsWith("HTTP/1.1 101"));
}

TEST_CASE("a refusal before all facts are known counts for the bans that can be told") {
    World world(policy);
    for (int i = 0; i < 3; ++i) (void)world.connect("/chat", bad);
    CHECK_THAT(world.read(world.connect("/chat", good)), StartsWith("HTTP/1.1 403"));
}

TEST_CASE("the newest connection takes the place of the oldest") {
    World world(policy);
    const auto first = world.connect("/one", good);
    const auto second = world.connect("/one", good);
    CHECK(world.slots.evicted.empty());
    const auto third = world.connect("/one", good);
    REQUIRE(world.slots.evicted.size() == 1);
    world.gateway->evict(world.slots.evicted[0], world.now);
    CHECK(world.last(first) == "close 4409 a newer connection has taken the place of this one");
    CHECK_THAT(world.read(second), StartsWith("HTTP/1.1 101"));
    CHECK_THAT(world.read(third), StartsWith("HTTP/1.1 101"));
    // Late word about one that is gone finds nobody.
    world.gone(first);
    const auto fourth = world.connect("/one", "Authorization: Bearer {\"sub\":\"u2\"}\r\n");
    world.gateway->evict(world.slots.evicted[0], world.now);
    CHECK_THAT(world.read(fourth), StartsWith("HTTP/1.1 101"));
    world.gone(second);
    world.gone(third);
    world.gone(fourth);
    for (const auto& [key, seated] : world.slots.holders) CHECK(seated.empty());
}

TEST_CASE("subscriptions at one time are limited across connections, and given back") {
    World world(policy);
    const auto subscribe = [&](ConnectionId id, const std::string& channel) {
        world.feed(id,
                   masked(Opcode::text, R"({"type":"$subscribe","$id":"1","channel":")" + channel + "\"}"));
        return world.last(id);
    };
    const auto a = world.connect("/one", good);
    const auto b = world.connect("/one", good);
    (void)world.read(a);
    (void)world.read(b);
    world.now.steady_ms += 10'000;
    CHECK_THAT(subscribe(a, "x"), Contains("$subscribed"));
    CHECK_THAT(subscribe(a, "x"), Contains("$subscribed"));  // again: no other place
    world.now.steady_ms += 2000;
    CHECK_THAT(subscribe(b, "y"), Contains("$subscribed"));
    CHECK_THAT(subscribe(b, "z"), Contains("\"error\":\"too_many\""));
    world.now.steady_ms += 2000;
    world.feed(a, masked(Opcode::text, R"({"type":"$unsubscribe","channel":"x"})"));
    (void)world.read(a);
    CHECK_THAT(subscribe(b, "z"), Contains("$subscribed"));
    world.gone(b);
    CHECK_THAT(subscribe(a, "x"), Contains("$subscribed"));
    world.now.steady_ms += 2000;
    CHECK_THAT(subscribe(a, "w"), Contains("$subscribed"));
    world.now.steady_ms += 2000;
    CHECK_THAT(subscribe(a, "v"), Contains("\"error\":\"too_many\""));
}

TEST_CASE("bytes are limited by what messages weigh") {
    World world(policy);
    const auto id = world.connect("/one", good);
    (void)world.read(id);
    const std::string message = R"({"type":"say","$id":"1","pad":")" + std::string(100, 'x') + "\"}";
    world.feed(id, masked(Opcode::text, message));
    CHECK_THAT(world.last(id), Contains("$ok"));
    world.feed(id, masked(Opcode::text, message));
    CHECK_THAT(world.last(id), Contains("too many bytes in too short a time") && Contains("retry_after"));
    world.now.steady_ms += 2000;
    world.feed(id, masked(Opcode::text, message));
    CHECK_THAT(world.last(id), Contains("$ok"));
}

TEST_CASE("a foreign page gets nobody banned") {
    World world(policy);
    const auto status = [&](const std::string& headers) {
        return world.read(world.connect("/chat", headers)).substr(9, 3);
    };
    // Whatever else is wrong with what it makes the browser send.
    for (int i = 0; i < 5; ++i) {
        CHECK(status("Origin: https://evil.example\r\n" + bad) == "403");
        CHECK(status("Origin: null\r\n") == "403");
        CHECK(status("Sec-Fetch-Site: cross-site\r\n" + bad) == "403");
    }
    CHECK(status(good) == "101");
    for (int i = 0; i < 3; ++i) CHECK(status(bad) == "401");
    CHECK_THAT(world.read(world.connect("/chat", good)), Contains("too many refused requests"));
}

TEST_CASE("a ban that begins is told to other nodes, and taken from them") {
    BanTable here;
    BanTable there;
    std::vector<BanNews> told;
    here.share([&](const BanNews& news) { told.push_back(news); });
    const dsl::Ban ban = ban_of(1, 1000, 30'000, 60'000);
    const BanEntry about{
        "", "ip 10.0.0.1", "r", "r:1:1", "no", 0, 0, {"10.0.0.1"}, {*dsl::parse_net("10.0.0.1")}};
    CHECK(here.count(
                  "a", ban, [&] { return about; }, 0)
              .begun);
    REQUIRE(told.size() == 1);
    CHECK(told[0].ban.left_ms == 30'000);
    auto news = read_ban(write_ban(told[0]));
    REQUIRE(news);
    news->key = told[0].key;
    news->ban.left_ms = 20'000;  // it took a while
    there.insert(*news, 500'000);
    CHECK(there.left("a", 500'000) == 20'000);
    const BanEntry got = there.list(500'000).at(0);
    CHECK(got.id == here.list(1).at(0).id);
    CHECK(got.who == "ip 10.0.0.1");
    CHECK(got.because == "no");
    CHECK(got.times == 1);
    CHECK(there.in_force() == 1);
    CHECK(there.begun() == 0);
    // Of two the longer stays; what is over, or lifted, is not there.
    news->ban.left_ms = 10;
    there.insert(*news, 500'000);
    CHECK(there.left("a", 500'000) == 20'000);
    CHECK(there.lift("10.0.0.0/8", 500'000) == std::vector<std::string>{"a"});
    CHECK_FALSE(there.lift_key("a", 500'000));
    news->ban.left_ms = 0;
    there.insert(*news, 500'000);
    CHECK(there.in_force() == 0);
    CHECK(here.lift_key("a", 1));
    CHECK_FALSE(here.left("a", 1));
    // Here it was remembered how often it was; there as well.
    news->ban.left_ms = 1000;
    news->ban.times = 3;
    there.insert(*news, 0);
    CHECK(there
              .count(
                  "a", ban, [&] { return about; }, 2000)
              .left_ms == 60'000);
}

TEST_CASE("a ban that another node tells of is shown without harm") {
    const auto news =
        read_ban(R"({"v":1,"id":"0123456789ab","who":"ip \u001b[2J \\x1b","times":-4,"values":[1,"x"],)"
                 R"("networks":["10.0.0.0/8","nothing"]})");
    REQUIRE(news);
    CHECK(news->ban.who == "ip \\x1B[2J \\x1b");
    CHECK(news->ban.times == 0);
    CHECK(news->ban.values == std::vector<std::string>{"x"});
    CHECK(news->ban.networks.size() == 1);
    for (const std::string text :
         {"", "[]", "{}", R"({"v":1})", R"({"v":1,"id":"short"})", R"({"v":2,"id":"0123456789ab"})"})
        CHECK_FALSE(read_ban(text));
    CHECK_FALSE(read_ban("{\"v\":1,\"id\":\"0123456789ab\",\"who\":\"" + std::string(17'000, 'a') + "\"}"));
}
