#include "daemon/broker/redis/entry.h"

#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

constexpr uint64_t node = 0x1234'5678'9abc;

Draft draft() {
    Draft out;
    out.channel = "room/1";
    out.id = "id\"\n";
    out.members = R"("text":"häl")";
    out.key = "k";
    out.now = {5, 1'700'000'000'123};
    return out;
}

}  // namespace

TEST_CASE("an entry is read as it was written", "[redis]") {
    Draft sent = draft();
    sent.except = 0x00ff'ffff'ffff'ffff;
    sent.lane = dsl::Lane::low;
    const Position position{parse_epoch("abcdefgh").value(), 42};
    const auto read = read_entry("abcdefgh42:1700000000999:" + entry_body(sent, node), "room/1", node);
    REQUIRE(read);
    CHECK(read->at_ms == 1'700'000'000'999);
    CHECK(read->message->position == position);
    CHECK(read->message->key == "k");
    CHECK(read->message->except == sent.except);
    CHECK_FALSE(read->message->lane);  // a numbered channel has an order
    CHECK(read->message->frame.payload() ==
          publication_text("room/1", {sent.id, sent.now.wall_ms, sent.members}, position));
    SECTION("a session of another node is nobody here") {
        const auto other = read_entry("abcdefgh42:1:" + entry_body(sent, node + 1), "room/1", node);
        CHECK(other->message->except == 0);
    }
    SECTION("without a number it has a lane") {
        const auto plain = read_entry(unnumbered_entry(sent, node), "room/1", node);
        REQUIRE(plain);
        CHECK(plain->message->position == Position{});
        CHECK(plain->message->lane == dsl::Lane::low);
    }
}

TEST_CASE("an entry that is cut anywhere, or changed, is refused or read; it is never trusted", "[redis]") {
    Draft sent = draft();
    sent.except = 7;
    sent.lane = dsl::Lane::urgent;
    const std::string whole = "abcdefgh42:17:" + entry_body(sent, node);
    const size_t members = whole.size() - sent.members.size();
    for (size_t size = 0; size < members; ++size)
        CHECK_FALSE(read_entry(std::string_view(whole).substr(0, size), "room/1", node));
    for (size_t i = 0; i < whole.size(); ++i) {
        for (const int bits : {0x01, 0x80, 0xff}) {
            std::string changed = whole;
            changed[i] = static_cast<char>(changed[i] ^ bits);
            (void)read_entry(changed, "room/1", node);
        }
    }
    CHECK_FALSE(read_entry("abcdefgh0:17:" + entry_body(sent, node), "room/1", node));
    CHECK_FALSE(read_entry("AAAAAAAA1:17:" + entry_body(sent, node), "room/1", node));
    CHECK_FALSE(read_entry("abcdefgh-1:17:" + entry_body(sent, node), "room/1", node));
    CHECK_FALSE(read_entry("abcdefgh9999999999999999:17:" + entry_body(sent, node), "room/1", node));
    sent.members = "\"a\":\"\xff\"";
    CHECK_FALSE(read_entry("abcdefgh1:17:" + entry_body(sent, node), "room/1", node));
    std::string later = entry_body(draft(), node);
    later[0] = 2;
    CHECK(read_entry("abcdefgh1:17:" + later, "room/1", node).error().find("version 2") != std::string::npos);
}

TEST_CASE("positions are whole, or none", "[redis]") {
    CHECK(read_position("abcdefgh:7")->offset == 7);
    CHECK(read_position("AAAAAAAA:0").value() == Position{});
    for (const char* text : {"", "abc", "abcdefgh", "abcdefgh:", "abcdefgh:x", "abcdefgh:7 ", "abcdefgh:-7",
                             "abcdefg!:7", "AAAAAAAA:7"})
        CHECK_FALSE(read_position(text));
}
