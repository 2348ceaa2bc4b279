#include "daemon/message/sse.h"

#include <catch2/catch.hpp>

#include <string>

using namespace wayleave;

TEST_CASE("an event is one line of data, and an empty one") {
    CHECK(sse_event(R"({"type":"a"})") == "data: {\"type\":\"a\"}\n\n");
}

TEST_CASE("line ends between the tokens of a client's JSON do not end the event") {
    CHECK(sse_event("{\n\"a\":1}") == "data: {\ndata: \"a\":1}\n\n");
    CHECK(sse_event("{\r\n\"a\":1\r}") == "data: {\ndata: \"a\":1\ndata: }\n\n");
    CHECK(sse_event("{\n\nid: 7\n\n}") == "data: {\ndata: \ndata: id: 7\ndata: \ndata: }\n\n");
    CHECK(sse_event("{}\r") == "data: {}\ndata: \n\n");
}

TEST_CASE("the head of a stream tells proxies to leave it alone") {
    const std::string head = sse_response_head("Vary: Origin\r\n");
    CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(head.ends_with("\r\nVary: Origin\r\n\r\n"));
    for (const char* field :
         {"Content-Type: text/event-stream\r\n", "Cache-Control: no-store, no-transform\r\n",
          "X-Accel-Buffering: no\r\n", "Connection: close\r\n"})
        CHECK(head.find(field) != std::string::npos);
    CHECK(head.find("Content-Length") == std::string::npos);
}

TEST_CASE("an id carries the positions of all channels") {
    StreamPositions positions;
    CHECK(positions.id() == "1");
    positions.add(channel_mark("room/a"), {0x123456789abc, 1});
    positions.add(channel_mark("room/b"), {1, 300});
    positions.add(channel_mark("user/c"), {0xffffffffffff, (uint64_t{1} << 62) + 5});
    const auto back = StreamPositions::parse(positions.id());
    REQUIRE(back);
    CHECK(back->places() == positions.places());
    CHECK(back->find(channel_mark("room/a")) == Position{0x123456789abc, 1});
    CHECK(!back->find(channel_mark("room/d")));
}

TEST_CASE("a mark is the same at every start and every server") {
    CHECK(channel_mark("room/a") == channel_mark("room/a"));
    CHECK(channel_mark("room/a") != channel_mark("room/b"));
    CHECK(channel_mark("") == 0xe3b0c44298fc);  // FIPS 180-4
}

TEST_CASE("an id has a bound, and what does not fit is left out") {
    StreamPositions positions;
    for (uint64_t i = 0; i < 500; ++i) positions.add(i, {7, uint64_t{1} << 40});
    const std::string id = positions.id();
    CHECK(id.size() <= StreamPositions::most_id);
    const auto back = StreamPositions::parse(id);
    REQUIRE(back);
    CHECK(back->places().size() > 80);
    CHECK(back->find(0));
    CHECK(!back->find(499));
}

TEST_CASE("an id that is not ours says nothing") {
    StreamPositions positions;
    positions.add(channel_mark("a"), {5, 300});
    const std::string id = positions.id();
    for (size_t size = 0; size < id.size(); ++size) {
        INFO(id.substr(0, size));
        CHECK((size == 1 || !StreamPositions::parse(id.substr(0, size))));  // "1": no channels
    }
    CHECK(!StreamPositions::parse("2" + id.substr(1)));
    CHECK(!StreamPositions::parse(id + id.substr(1)));  // twice the same
    CHECK(!StreamPositions::parse(id + "="));
    CHECK(!StreamPositions::parse("42"));
    CHECK(!StreamPositions::parse("1\xff\xff"));
    CHECK(!StreamPositions::parse("1" + std::string(StreamPositions::most_id, 'A')));
    StreamPositions none;
    none.add(1, {0, 3});  // epoch 0: the channel is not numbered
    CHECK(!StreamPositions::parse(none.id()));
    // 128 in three bytes instead of two, and a number without an end
    CHECK(!StreamPositions::parse("1AAAAAAABAAAAAAABgIAA"));
    CHECK(!StreamPositions::parse("1AAAAAAABAAAAAAAB____________"));
}
