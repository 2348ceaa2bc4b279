// Whom the Sentinels name, and what is believed of it.
#include "daemon/broker/redis/sentinels.h"

#include <array>
#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

const RedisPrimary one{"10.0.0.1", 6379};
const RedisPrimary two{"10.0.0.2", 6379};
const RedisPrimary three{"10.0.0.3", 6379};

RedisReply text(const std::string& bytes) {
    return {RedisReply::Kind::text, 0, bytes, {}};
}
RedisReply list(const std::vector<std::string>& texts) {
    RedisReply out{RedisReply::Kind::list, 0, {}, {}};
    for (const std::string& one_text : texts) out.items.push_back(text(one_text));
    return out;
}

}  // namespace

TEST_CASE("the later configuration counts, then the majority, then another than the present one") {
    CHECK_FALSE(choose_primary({}, one));
    CHECK(choose_primary({{one, 1, 0}}, {}) == one);
    CHECK(choose_primary({{one, 1, 0}, {one, 1, 0}, {two, 2, 0}}, one) == two);
    CHECK(choose_primary({{two, 2, 0}, {one, 1, 0}, {one, 1, 0}}, one) == two);
    CHECK(choose_primary({{one, 2, 0}, {two, 2, 0}, {two, 2, 0}}, one) == two);
    CHECK(choose_primary({{one, 2, 0}, {two, 2, 0}}, one) == two);
    CHECK(choose_primary({{two, 2, 0}, {one, 2, 0}}, one) == two);
    CHECK(choose_primary({{two, 2, 0}, {one, 2, 0}}, two) == one);
    CHECK(choose_primary({{one, 3, 0}, {two, 3, 0}, {three, 3, 0}, {two, 3, 0}}, one) == two);
}

TEST_CASE("an address of a Sentinel is one that can be dialed") {
    CHECK(read_primary(list({"10.0.0.1", "6379"})) == one);
    CHECK(read_primary(list({"redis-1.internal", "1"}))->host == "redis-1.internal");
    CHECK(read_primary(list({"::1", "65535"}))->port == 65535);
    for (const auto& wrong :
         {list({}), list({"10.0.0.1"}), list({"10.0.0.1", "0"}), list({"10.0.0.1", "65536"}),
          list({"10.0.0.1", "x"}), list({"", "1"}), list({"a b", "1"}), list({"a\x1b", "1"}),
          list({std::string(300, 'a'), "1"}), list({"a", "1", "2"}), text("10.0.0.1"), RedisReply{}})
        CHECK_FALSE(read_primary(wrong));
    CHECK(read_config_epoch(list({"name", "config-epoch", "config-epoch", "12"})) == 12);
    CHECK(read_config_epoch(list({"config-epoch", "x"})) == 0);
    CHECK(read_config_epoch(list({"config-epoch"})) == 0);
}

TEST_CASE("a link to a Sentinel wants one, and asks for no more than that") {
    const auto greeted = [](const std::string& role) {
        RedisLink link(RedisLink::Role::sentinel, {"app", "secret", 7, "wayleave"},
                       [] { return uint64_t{5}; });
        link.open(0);
        link.opened(0);
        CHECK(link.output().find("SELECT") == std::string::npos);
        CHECK(link.output().find("INFO") == std::string::npos);
        CHECK(link.output().find("SCRIPT") == std::string::npos);
        CHECK(link.output().find("secret") != std::string::npos);
        link.received("+OK\r\n*1\r\n" + role, 0);
        return link.state() == RedisLink::State::up;
    };
    CHECK(greeted("$8\r\nsentinel\r\n"));
    CHECK_FALSE(greeted("$6\r\nmaster\r\n"));
}

TEST_CASE("the news of a Sentinel are heard, and nothing else is taken for them") {
    RedisLink link(RedisLink::Role::sentinel_news, {}, [] { return uint64_t{5}; });
    link.open(0);
    link.opened(0);
    link.received("*1\r\n$8\r\nsentinel\r\n", 0);
    REQUIRE(link.state() == RedisLink::State::up);
    link.output().clear();
    constexpr std::array<std::string_view, 2> news = {"+promoted-slave", "+switch-master"};
    link.subscribe_to_news(news, 0);
    CHECK(link.output() == "*3\r\n$9\r\nSUBSCRIBE\r\n$15\r\n+promoted-slave\r\n$14\r\n+switch-master\r\n");
    link.received("*3\r\n$9\r\nsubscribe\r\n$15\r\n+promoted-slave\r\n:1\r\n", 1);
    link.received("*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:2\r\n", 1);
    link.received("*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$6\r\ncity a\r\n", 2);
    const auto heard = [&] {
        std::string out;
        for (const RedisLink::Event& event : link.take_events()) {
            if (const auto* told = std::get_if<RedisLink::Heard>(&event))
                out += told->channel + "=" + told->payload;
        }
        return out;
    };
    CHECK(heard() == "+switch-master=city a");
    CHECK(link.unanswered() == 0);
    // Quiet ones are asked whether they are there.
    link.output().clear();
    link.check(2 + RedisLink::quiet_ms);
    CHECK(link.output() == "*1\r\n$4\r\nPING\r\n");
    link.received("*2\r\n$4\r\npong\r\n$0\r\n\r\n", 1100);
    CHECK(link.state() == RedisLink::State::up);
    link.received("*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nb\r\n", 1200);
    CHECK(link.state() == RedisLink::State::waiting);
    // Who may not listen is left alone for a while.
    link.rest_until(9000);
    CHECK_FALSE(link.wants_opening(8999));
    CHECK(link.wants_opening(9000));
}
