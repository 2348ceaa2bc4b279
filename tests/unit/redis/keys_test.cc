#include "daemon/broker/redis/keys.h"

#include <catch2/catch.hpp>
#include <set>

using namespace wayleave;

TEST_CASE("slots are counted as Redis counts them", "[redis]") {
    CHECK(crc16("123456789") == 0x31c3);
    CHECK(crc16("") == 0);
}

TEST_CASE("each partition has its share of a Cluster's slots", "[redis]") {
    std::set<std::string> tags;
    for (uint32_t partition = 0; partition < redis_partitions; ++partition) {
        const std::string tag(tag_of(partition));
        CHECK(crc16(tag) % 16'384 / 64 == partition);
        CHECK(std::stoul(tag) < 478);
        tags.insert(tag);
    }
    CHECK(tags.size() == redis_partitions);
}

TEST_CASE("everything of a channel is in one slot, and no two names meet", "[redis]") {
    const RedisKeys keys("wl");
    const auto tag = [](const std::string& key) {
        return key.substr(key.find('{'), key.find('}') - key.find('{'));
    };
    for (const std::string channel : {"room/1", "mail/a}b", "a{b", "x"}) {
        const std::set<std::string> tags{tag(keys.numbering(channel)), tag(keys.history(channel)),
                                         tag(keys.dedup(channel, "id")), tag(keys.cursor(channel, "ann")),
                                         tag(keys.messages(channel))};
        CHECK(tags.size() == 1);
        CHECK(keys.channel_of(keys.messages(channel)) == channel);
    }
    CHECK(keys.cursor("a", "bc") != keys.cursor("ab", "c"));
    CHECK(keys.dedup("a", "bc") != keys.dedup("ab", "c"));
    CHECK(keys.numbering("room/1") == "wl:1:{" + std::string(tag_of(partition_of("room/1"))) + "}:h:room/1");
}

TEST_CASE("names that are not ours are no channel's", "[redis]") {
    const RedisKeys keys("wl");
    for (const char* name :
         {"", "wl:1:{", "wl:1:{0}", "wl:1:{0}:h:x", "wl:2:{0}:m:x", "other", "wl:1:{0:m:x"})
        CHECK(keys.channel_of(name).empty());
    CHECK(RedisKeys::valid_prefix("wayleave"));
    CHECK(RedisKeys::valid_prefix("prod:chat-1"));
    for (const char* prefix : {"", "a{b", "a b", "a*", "a}"}) CHECK_FALSE(RedisKeys::valid_prefix(prefix));
}
