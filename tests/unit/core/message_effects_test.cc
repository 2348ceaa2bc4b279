// What a message block does beside publishing: it replies, gives another type, chooses a lane; and how types
// are written.
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

const std::string policy = R"(
token session { keys = file "k"  exp = optional from query "token"  claim sub : string required }
channel kept { history = 5  keep = 1h }
channel tiny { max_message = 40b }
channel alarm { priority = urgent }
route chat /chat {
    auth = session  origins = { none }
    allow connect
    join hall, kept, alarm
    message echo    { allow  reply }
    message echo.as { field n : int else 7  set from = user.sub  set re = "ours"  allow  reply "echoed: \"here\"" }
    message some    { field n : int else 0  allow
                      reply one if n > 0
                      reply two if n > 1 }
    message sent    { allow  publish to kept  reply }
    message tight   { allow  publish to tiny  reply }
    message renamed { set from = user.sub  allow  publish to hall as "hall:said"  publish to kept }
    message loud    { allow  publish to hall priority urgent }
    message soft    { allow  publish to hall, alarm priority low }
    message plain   { allow  publish to hall }
    message shout   { allow  publish to kept priority urgent }
    message noted   { allow  publish to kept }

    message "user joined"      { allow  reply exact.blank }
    message FRIEND_REQUEST     { allow  reply exact.word }
    message "room:*"           { allow  reply below.room }
    message "room:deep:*"      { allow  reply below.deep }
    message "room:join"        { allow  reply exact.join }
    message "call.*", "ü"      { allow  reply below.call }
}
)";

struct Effects : World {
    Effects() : World(policy) { (void)read(alice); }
    std::vector<std::string> answers(const std::string& text) {
        say(alice, text);
        return frames(alice);
    }
    std::string type_of_answer(const std::string& type) {
        const std::string text = answers("{\"type\":\"" + type + "\",\"$id\":1}").back();
        const size_t at = text.find("\"type\":\"") + 8;
        return text.substr(at, text.find('"', at) - at);
    }
    ConnectionId alice = connect("/chat?token=%7B%22sub%22:%22alice%22%7D");
};

}  // namespace

TEST_CASE("a reply is the message as it was judged and stamped, with `re`, and no `$ok` comes") {
    Effects world;
    CHECK(world.answers(R"({"type":"echo","a":[1, 2],"$id":"x"})") ==
          std::vector<std::string>{R"({"type":"echo","a":[1, 2],"re":"x"})"});
    CHECK(world.answers(R"({"type":"echo","re":"forged"})") ==
          std::vector<std::string>{R"({"type":"echo"})"});
    CHECK(world.answers(R"({"Type":"x","type":"echo.as","from":"bob","RE":9,"n":3,"$id":4,"$key":"k"})") ==
          std::vector<std::string>{R"({"type":"echoed: \"here\"","from":"alice","n":3,"re":4})"});
    CHECK_THAT(world.answers(R"({"type":"echo.as","n":"no","$id":4})").front(), Contains("bad_message"));
}

TEST_CASE("a reply has a condition; where none holds the answer is `$ok`") {
    Effects world;
    CHECK(world.answers(R"({"type":"some","$id":1})") ==
          std::vector<std::string>{R"({"type":"$ok","re":1})"});
    CHECK(world.answers(R"({"type":"some"})").empty());
    CHECK(world.answers(R"({"type":"some","n":2,"$id":1})") ==
          std::vector<std::string>{R"({"type":"one","n":2,"re":1})", R"({"type":"two","n":2,"re":1})"});
}

TEST_CASE("a reply comes when what is published is accepted, and not where it is refused") {
    Effects world;
    world.broker.later = true;
    const auto published = world.answers(R"({"type":"sent","$id":1})");
    REQUIRE(published.size() == 1);
    CHECK_THAT(published[0], Contains(R"("channel":"kept")"));
    world.broker.later = false;
    world.turn();
    CHECK(world.frames(world.alice) == std::vector<std::string>{R"({"type":"sent","re":1})"});
    const auto refused =
        world.answers(R"({"type":"tight","text":"a text that is longer than its channel takes","$id":2})");
    REQUIRE(refused.size() == 1);
    CHECK_THAT(refused[0], StartsWith(R"({"type":"$error","re":2)"));
}

TEST_CASE("a publication may have another type than its message") {
    Effects world;
    const auto frames = world.answers(R"({"type":"renamed","Type":"x","text":"hi"})");
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], EndsWith(R"("type":"hall:said","from":"alice","text":"hi"})"));
    CHECK_THAT(frames[1], EndsWith(R"("from":"alice","type":"renamed","Type":"x","text":"hi"})"));
}

TEST_CASE("a publication's priority is its lane, over the channel's") {
    Effects world;
    for (const char* type : {"plain", "soft", "loud"})
        world.say(world.alice, "{\"type\":\"" + std::string(type) + "\"}");
    const auto frames = world.frames(world.alice);
    REQUIRE(frames.size() == 4);
    CHECK_THAT(frames[0], Contains("loud"));
    CHECK_THAT(frames[1], Contains("plain"));
    CHECK_THAT(frames[2], Contains("soft"));
    CHECK_THAT(frames[3], Contains("soft"));
}

TEST_CASE("a channel with numbers keeps its order, whatever the priority") {
    Effects world;
    world.say(world.alice, R"({"type":"noted"})");
    world.say(world.alice, R"({"type":"shout"})");
    const auto frames = world.frames(world.alice);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("noted") && Contains(R"("offset":1)"));
    CHECK_THAT(frames[1], Contains("shout") && Contains(R"("offset":2)"));
}

TEST_CASE("a type is any text; the exact one is found first, then the narrowest of those above it") {
    Effects world;
    CHECK(world.type_of_answer("user joined") == "exact.blank");
    CHECK(world.type_of_answer("FRIEND_REQUEST") == "exact.word");
    CHECK(world.type_of_answer("room:join") == "exact.join");
    CHECK(world.type_of_answer("room:leave") == "below.room");
    CHECK(world.type_of_answer("room:deep:leave") == "below.deep");
    CHECK(world.type_of_answer("room:deep:") == "below.room");
    CHECK(world.type_of_answer("call.accept") == "below.call");
    CHECK(world.type_of_answer("\\u00fc") == "below.call");
    for (const char* unknown : {"room:", "room", "call.", "call", "user  joined", "friend_request"})
        CHECK_THAT(world.answers("{\"type\":\"" + std::string(unknown) + "\"}").back(),
                   Contains("unknown_message"));
    const std::vector<std::string> none{"a\\nb", "\\u007f", "\\u0000", "", std::string(129, 'x')};
    for (const std::string& bad : none)
        CHECK_THAT(world.answers("{\"type\":\"" + bad + "\"}").back(), Contains("bad_message"));
    CHECK_THAT(world.answers("{\"type\":\"" + std::string(128, 'x') + "\"}").back(),
               Contains("unknown_message"));
}
