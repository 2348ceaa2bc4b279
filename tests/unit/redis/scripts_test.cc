// The scripts, as a real server runs them.
#include <catch2/catch.hpp>
#include <random>

#include "daemon/broker/memory/history.h"
#include "daemon/broker/page.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/keys.h"
#include "daemon/broker/redis/scripts.h"
#include "tests/unit/redis/redis_server.h"

using namespace wayleave;

namespace {

struct Item {
    std::string channel = "room";
    std::string body = "body";
    std::string fresh = "abcdefgh";
    uint32_t history = 100;
    int64_t keep = 60'000;
    std::string dedup = {};
    int64_t window = 0;
};

Query room() {
    Query query;
    query.channel = "room";
    query.retention = {100, 60'000, 0};
    return query;
}

class Scripts {
  public:
    Scripts() : client_(server_.port()) {
        for (const RedisScript* script :
             {&publish_script(), &read_script(), &cursor_script(), &tops_script(), &adopt_script()}) {
            const RedisReply loaded = ask({"SCRIPT", "LOAD", std::string(script->text())});
            REQUIRE(loaded.text == script->hash());
        }
        REQUIRE(adopt("", held_).text == held_);
    }

    RedisReply ask(const std::vector<std::string>& words) { return client_.ask(words); }
    RedisReply run(const RedisScript& script, const std::vector<std::string>& names,
                   const std::vector<std::string>& arguments) {
        std::vector<std::string> words{"EVALSHA", script.hash(), std::to_string(names.size())};
        words.insert(words.end(), names.begin(), names.end());
        words.insert(words.end(), arguments.begin(), arguments.end());
        return ask(words);
    }
    RedisReply adopt(const std::string& before, const std::string& after) {
        return run(adopt_script(), {keys.generation()}, {before, after});
    }
    void fork(const std::string& next_generation) {
        const std::string next = "run repl " + next_generation;
        REQUIRE(adopt(held_, next).text == next);
        held_ = next;
        generation = next_generation;
    }

    RedisReply publish(const std::vector<Item>& items) {
        std::vector<std::string> names{keys.generation()};
        std::vector<std::string> arguments{held_, generation};
        for (const Item& item : items) {
            names.push_back(keys.numbering(item.channel));
            names.push_back(keys.history(item.channel));
            names.push_back(item.dedup.empty() ? keys.numbering(item.channel)
                                               : keys.dedup(item.channel, item.dedup));
            for (const std::string& argument :
                 {keys.messages(item.channel), item.body, item.fresh, std::to_string(item.history),
                  std::to_string(item.keep), std::to_string(item.dedup.empty() ? 0 : item.window)})
                arguments.push_back(argument);
        }
        return run(publish_script(), names, arguments);
    }
    std::string one(const Item& item) {
        const RedisReply reply = publish({item});
        if (reply.failed()) return reply.text;
        return reply.items.at(0).text;
    }

    RedisReply read(const Query& query, const std::string& fresh = "freshone") {
        const auto position = [](const std::optional<Position>& of, std::vector<std::string>& out) {
            out.push_back(of ? epoch_text(of->epoch) : "");
            out.push_back(of ? std::to_string(of->offset) : "0");
        };
        std::vector<std::string> arguments{held_,
                                           generation,
                                           fresh,
                                           std::to_string(query.retention.history),
                                           std::to_string(query.retention.keep_ms),
                                           std::to_string(query.limit),
                                           std::to_string(std::min<size_t>(query.bytes, 1 << 20))};
        position(query.since, arguments);
        position(query.above, arguments);
        arguments.push_back(std::string(query.oldest ? "o" : "") + (query.user.empty() ? "" : "u") +
                            (query.rest ? "s" : "") + (query.reverse ? "r" : ""));
        return run(
            read_script(),
            {keys.generation(), keys.numbering(query.channel), keys.history(query.channel),
             query.user.empty() ? keys.numbering(query.channel) : keys.cursor(query.channel, query.user)},
            arguments);
    }
    RedisReply cursor(const std::string& what, const std::string& user, const std::string& epoch,
                      uint64_t offset) {
        return run(cursor_script(), {keys.generation(), keys.numbering("room"), keys.cursor("room", user)},
                   {held_, generation, what, epoch, std::to_string(offset), "60000"});
    }
    RedisReply tops(const std::vector<std::string>& channels) {
        std::vector<std::string> names{keys.generation()};
        std::vector<std::string> arguments{held_, generation};
        for (const std::string& channel : channels) {
            names.push_back(keys.numbering(channel));
            arguments.emplace_back("topsfrsh");
            arguments.emplace_back("60000");
        }
        return run(tops_script(), names, arguments);
    }

    RedisKeys keys{"wl"};
    std::string generation = "one";

  private:
    RedisServer server_;
    RedisClient client_;
    std::string held_ = "run repl one";
};

}  // namespace

TEST_CASE("a batch is numbered in its order, and kept", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    const RedisReply reply =
        redis.publish({{.body = "a"}, {.channel = "other", .fresh = "otherone"}, {.body = "b"}});
    REQUIRE(reply.is_list(3));
    CHECK(reply.items[0].text == "Aabcdefgh:1");
    CHECK(reply.items[1].text == "Aotherone:1");
    CHECK(reply.items[2].text == "Aabcdefgh:2");
    const RedisReply kept = redis.ask({"LRANGE", redis.keys.history("room"), "0", "-1"});
    REQUIRE(kept.is_list(2));
    CHECK(kept.items[0].text.starts_with("abcdefgh1:1"));
    CHECK(kept.items[0].text.ends_with(":a"));
    CHECK(redis.ask({"PTTL", redis.keys.history("room")}).number > 60'000);
    CHECK(redis.ask({"PTTL", redis.keys.numbering("room")}).number > 3'600'000);
    SECTION("a history has its bound, also where it became shorter") {
        for (int i = 0; i < 5; ++i) (void)redis.one({});
        CHECK(redis.one({.history = 3}) == "Aabcdefgh:8");
        CHECK(redis.ask({"LLEN", redis.keys.history("room")}).number == 3);
    }
    SECTION("a policy that keeps for longer is heeded at once") {
        CHECK(redis.one({.keep = 600'000}) == "Aabcdefgh:3");
        CHECK(redis.ask({"PTTL", redis.keys.history("room")}).number > 600'000);
    }
}

TEST_CASE("an id that was seen is answered with the first one's position", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    CHECK(redis.one({.dedup = "x", .window = 60'000}) == "Aabcdefgh:1");
    CHECK(redis.one({.dedup = "x", .window = 60'000}) == "Dabcdefgh:1");
    CHECK(redis.one({.dedup = "y", .window = 60'000}) == "Aabcdefgh:2");
    CHECK(redis.one({.history = 0, .dedup = "z", .window = 60'000}) == "AAAAAAAAA:0");
    CHECK(redis.one({.history = 0, .dedup = "z", .window = 60'000}) == "DAAAAAAAA:0");
    // Who waits for replicas waits for what was written last: a known id is written, and lives no longer for
    // it.
    (void)redis.ask({"PEXPIRE", redis.keys.dedup("room", "x"), "30000"});
    const auto written = [&] {
        const std::string info = redis.ask({"INFO", "persistence"}).text;
        return std::stoul(info.substr(info.find("rdb_changes_since_last_save:") + 28));
    };
    const unsigned long before = written();
    CHECK(redis.one({.dedup = "x", .window = 60'000}) == "Dabcdefgh:1");
    CHECK(written() > before);
    CHECK(redis.ask({"PTTL", redis.keys.dedup("room", "x")}).number <= 30'000);
}

TEST_CASE("a key that is not ours fails its publication, and none beside it", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    (void)redis.ask({"SET", redis.keys.numbering("bad"), "x"});
    (void)redis.ask({"SET", redis.keys.history("worse"), "x"});
    (void)redis.ask({"RPUSH", redis.keys.dedup("worst", "i"), "x"});
    const RedisReply reply = redis.publish({{},
                                            {.channel = "bad"},
                                            {.channel = "worse"},
                                            {.channel = "worst", .dedup = "i", .window = 1000},
                                            {}});
    REQUIRE(reply.is_list(5));
    CHECK(reply.items[0].text == "Aabcdefgh:1");
    CHECK(reply.items[1].text.starts_with("E"));
    CHECK(reply.items[2].text.starts_with("E"));
    CHECK(reply.items[3].text.starts_with("E"));
    CHECK(reply.items[4].text == "Aabcdefgh:2");
    CHECK(redis.ask({"EXISTS", redis.keys.numbering("worse")}).number == 0);
    CHECK(redis.ask({"EXISTS", redis.keys.numbering("worst")}).number == 0);
}

TEST_CASE("another generation is refused before anything is done; then epochs begin, and offsets go on",
          "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    CHECK(redis.one({}) == "Aabcdefgh:1");
    (void)redis.ask({"SET", redis.keys.generation(), "run other two"});
    CHECK(redis.one({}).starts_with("FORK "));
    CHECK(redis.read(room()).text.starts_with("FORK "));
    CHECK(redis.cursor("look", "ann", "", 0).text.starts_with("FORK "));
    CHECK(redis.tops({"room"}).text.starts_with("FORK "));
    CHECK(redis.ask({"LLEN", redis.keys.history("room")}).number == 1);
    (void)redis.ask({"SET", redis.keys.generation(), "run repl one"});
    redis.fork("two");
    SECTION("by a publication") {
        CHECK(redis.one({.fresh = "nextnext"}) == "Anextnext:2");
    }
    SECTION("by a reader, and the position that it is told holds") {
        CHECK(redis.read(room(), "nextread").items[0].text == "nextread");
        CHECK(redis.one({.fresh = "nextnext"}) == "Anextread:2");
    }
    SECTION("by the comparison of tops") {
        CHECK(redis.tops({"room", "nobody"}).items[0].text == "topsfrsh:1");
        CHECK(redis.one({.fresh = "nextnext"}) == "Atopsfrsh:2");
    }
    SECTION("a generation is begun once") {
        CHECK(redis.adopt("run repl one", "run repl three").text == "run repl two");
    }
    SECTION("the old position is refused") {
        CHECK(redis.cursor("acknowledge", "ann", "abcdefgh", 1).items[0].text == "R");
    }
}

TEST_CASE("a numbering that is lost does not go on with what is left of its history", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    for (int i = 0; i < 3; ++i) (void)redis.one({});
    (void)redis.ask({"DEL", redis.keys.numbering("room")});
    CHECK(redis.one({.fresh = "nextnext"}) == "Anextnext:1");
    CHECK(redis.ask({"LLEN", redis.keys.history("room")}).number == 1);
}

TEST_CASE("a cursor goes forward, and never beyond the top", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    for (int i = 0; i < 3; ++i) (void)redis.one({});
    const auto is = [](const RedisReply& reply, const char* top, const char* acknowledged,
                       const char* delivered) {
        return reply.is_list(3) && reply.items[0].text == top && reply.items[1].text == acknowledged &&
               reply.items[2].text == delivered;
    };
    CHECK(is(redis.cursor("look", "ann", "", 0), "abcdefgh:3", "0", "0"));
    CHECK(is(redis.cursor("delivered", "ann", "abcdefgh", 3), "abcdefgh:3", "0", "3"));
    CHECK(is(redis.cursor("acknowledge", "ann", "abcdefgh", 2), "abcdefgh:3", "2", "3"));
    CHECK(is(redis.cursor("acknowledge", "ann", "abcdefgh", 1), "abcdefgh:3", "2", "3"));
    CHECK(redis.cursor("acknowledge", "ann", "abcdefgh", 4).items[0].text == "R");
    CHECK(redis.cursor("acknowledge", "ann", "otherone", 1).items[0].text == "R");
    CHECK(is(redis.cursor("look", "ann", "", 0), "abcdefgh:3", "2", "3"));
    CHECK(is(redis.cursor("look", "bob", "", 0), "abcdefgh:3", "0", "0"));
    CHECK(redis.ask({"PTTL", redis.keys.cursor("room", "ann")}).number > 50'000);
    Query query = room();
    query.user = "ann";
    CHECK(redis.read(query).items[3].text == "2");
    CHECK(redis.read(query).items[5].items.size() == 1);
    query.user = "bob";
    CHECK(redis.read(query).items[3].text.empty());
}

TEST_CASE("what is too old is left out", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    for (int i = 0; i < 9; ++i) (void)redis.one({});
    // As if the first five had come an hour ago.
    for (int i = 0; i < 5; ++i)
        (void)redis.ask({"LSET", redis.keys.history("room"), std::to_string(i),
                         "abcdefgh" + std::to_string(i + 1) + ":1700000000000:x"});
    Query query = room();
    query.oldest = true;
    const RedisReply page = redis.read(query);
    CHECK(page.items[2].text == "6");
    CHECK(page.items[4].text == "6");
    CHECK(page.items[5].items.size() == 4);
}

// The script finds what plan_page() then looks for: both are held against each other.
TEST_CASE("pages are those that are planned", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    const auto epoch = parse_epoch("abcdefgh").value();
    for (int i = 0; i < 30; ++i) (void)redis.one({.body = "b", .history = 20});
    (void)redis.cursor("acknowledge", "ann", "abcdefgh", 15);
    (void)redis.cursor("acknowledge", "bob", "abcdefgh", 3);
    std::mt19937_64 random(1);
    const auto below = [&](uint64_t most) {
        return std::uniform_int_distribution<uint64_t>(0, most - 1)(random);
    };
    const auto somewhere = [&]() -> std::optional<Position> {
        if (below(3) == 0) return std::nullopt;
        return Position{below(8) == 0 ? epoch + 1 : epoch, below(34)};
    };
    for (int i = 0; i < 3000; ++i) {
        Query query = room();
        query.retention.history = static_cast<uint32_t>(1 + below(25));
        query.since = somewhere();
        query.user = std::vector<std::string>{"", "ann", "bob", "eve"}[below(4)];
        query.oldest = below(3) == 0;
        query.rest = below(2) == 0;
        query.reverse = below(3) == 0;
        if (query.reverse) query.above = somewhere();
        query.limit = static_cast<uint32_t>(below(12) == 0 ? 0 : below(40));
        const RedisReply page = redis.read(query);
        REQUIRE(page.is_list(6));
        Extent extent{{epoch, read_number(page.items[1].text).value()},
                      read_number(page.items[2].text).value(),
                      !page.items[3].text.empty(),
                      0};
        if (extent.has_cursor) extent.cursor = read_number(page.items[3].text).value();
        REQUIRE(extent.top.offset == 30);
        REQUIRE(extent.oldest == std::max<uint64_t>(11, 31 - query.retention.history));
        const PagePlan plan = plan_page(query, extent);
        REQUIRE(page.items[5].items.size() == plan.count);
        for (uint64_t k = 0; k < plan.count; ++k) {
            const uint64_t wanted = query.reverse ? plan.first - k : plan.first + k;
            REQUIRE(page.items[5].items[k].text.starts_with("abcdefgh" + std::to_string(wanted) + ":"));
        }
    }
}

TEST_CASE("a page ends where enough bytes are in it", "[redis][scripts]") {
    NEEDS_REDIS();
    Scripts redis;
    for (int i = 0; i < 50; ++i) (void)redis.one({.body = std::string(1000, 'x')});
    Query query = room();
    query.oldest = true;
    query.bytes = 5000;
    CHECK(redis.read(query).items[5].items.size() == 5);
    query.reverse = true;
    const RedisReply page = redis.read(query);
    CHECK(page.items[5].items.size() == 5);
    CHECK(page.items[5].items[0].text.starts_with("abcdefgh50:"));
}
