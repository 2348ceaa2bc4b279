#include "daemon/broker/redis/reply.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("replies are read from pieces of any size", "[redis]") {
    const std::string bytes =
        "+OK\r\n-ERR no\r\n:42\r\n$3\r\na\r\n\r\n$-1\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n+y\r\n";
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, bytes.size()}) {
        RedisReplyReader reader;
        std::vector<RedisReply> replies;
        for (size_t i = 0; i < bytes.size(); i += piece) {
            REQUIRE(reader.feed(std::string_view(bytes).substr(i, piece)));
            for (;;) {
                auto reply = reader.next();
                REQUIRE(reply);
                if (!*reply) break;
                replies.push_back(std::move(**reply));
            }
        }
        REQUIRE(replies.size() == 6);
        CHECK(replies[0].text == "OK");
        CHECK(replies[1].error_is("ERR"));
        CHECK(replies[2].number == 42);
        CHECK(replies[3].text == "a\r\n");
        CHECK(replies[4].kind == RedisReply::Kind::nothing);
        REQUIRE(replies[5].is_list(3));
        REQUIRE(replies[5].items[1].is_list(2));
        CHECK(replies[5].items[1].items[0].text == "x");
        CHECK(replies[5].items[2].text == "y");
    }
}

TEST_CASE("what a hostile server announces is not believed", "[redis]") {
    const auto read = [](const std::string& bytes) {
        RedisReplyReader reader;
        if (!reader.feed(bytes)) return false;
        for (;;) {
            const auto reply = reader.next();
            if (!reply) return false;
            if (!*reply) return true;
        }
    };
    CHECK_FALSE(read("hello\r\n"));
    CHECK_FALSE(read("*99999999999999999999\r\n"));
    CHECK_FALSE(read("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"));  // too deep
    CHECK(read("*2147483647\r\n:1\r\n"));  // nothing is set aside for what has not come
    std::string many = "*2000000\r\n";
    for (int i = 0; i < 1'100'000; ++i) many += ":1\r\n";
    CHECK_FALSE(read(many));
}

TEST_CASE("commands carry any bytes", "[redis]") {
    std::string out;
    append_command(out, {"SET", std::string_view("a\0\r\n", 4), ""});
    CHECK(out == std::string("*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 29));
}
