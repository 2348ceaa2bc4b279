#include "daemon/session/post_relay.h"

#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

RelayedMessage message_for(uint64_t session, uint64_t number) {
    RelayedMessage out;
    out.session = session;
    out.worker = 3;
    out.from = {7, 1};
    out.number = number;
    return out;
}

}  // namespace

TEST_CASE("a message by POST is answered once, to where it came from") {
    std::vector<RelayReply> replies;
    PostRelay relay(replies);
    relay.reach(5, {1, 1});
    CHECK(relay.find(5) == ConnectionId{1, 1});
    const uint64_t number = relay.begin(message_for(5, 42), nullptr);
    CHECK(number != 0);
    CHECK_FALSE(relay.who(number));
    relay.answer(number, 200, "{}");
    relay.answer(number, 200, "again");
    REQUIRE(replies.size() == 1);
    CHECK((replies[0].worker == 3 && replies[0].to == ConnectionId{7, 1} && replies[0].number == 42));
    CHECK((replies[0].status == 200 && replies[0].body == "{}"));
}

TEST_CASE("who waits for a session that ends is told so, with the id that he gave") {
    std::vector<RelayReply> replies;
    PostRelay relay(replies);
    relay.reach(5, {1, 1});
    relay.note_id(relay.begin(message_for(5, 1), nullptr), "\"mine\"");
    (void)relay.begin(message_for(6, 2), nullptr);
    relay.forget(5);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].status == 410);
    CHECK(replies[0].body.find("\"mine\"") != std::string::npos);
    CHECK(relay.find(5) == ConnectionId{});
}

TEST_CASE("a session has so many answers to give, and another session as many of its own") {
    std::vector<RelayReply> replies;
    PostRelay relay(replies);
    for (uint64_t i = 0; !relay.is_full(5); ++i) {
        REQUIRE(i < 1000);
        (void)relay.begin(message_for(5, i), nullptr);
    }
    CHECK_FALSE(relay.is_full(6));
}
