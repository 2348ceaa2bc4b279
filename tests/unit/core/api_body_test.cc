#include "daemon/message/api_body.h"

#include <catch2/catch.hpp>

using namespace wayleave;
using Texts = std::vector<std::string>;

namespace {

Texts items(std::string_view body, bool lines = false) {
    const auto out = split_body(body, lines);
    REQUIRE(out.ok());
    return out->items;
}

std::string refused(std::string_view body, bool lines = false) {
    const auto out = split_body(body, lines);
    return out ? "" : out.error().because;
}

// As a request reads its items. What comes first is wrong.
struct Read {
    Texts channels;
    std::string data;
    std::string because;
};
Read read(std::string_view item) {
    MessageParser parser;
    const std::string text = as_message(item);
    const auto message = parser.parse(text);
    if (!message) return {{}, {}, std::string(message.error())};
    auto channels = channels_of(**message);
    if (!channels) return {{}, {}, channels.error().because};
    const MessageParser::Member* data = (*message)->find("data");
    return {*std::move(channels), data ? std::string(data->raw) : "", ""};
}

std::string many(size_t number, std::string_view item, std::string_view between) {
    std::string out;
    for (size_t i = 0; i < number; ++i) out.append(i > 0 ? between : "").append(item);
    return out;
}

}  // namespace

TEST_CASE("an object is one item, a list has those that stand in it, and so has each line") {
    CHECK(items(R"( {"channel":"a"} )") == Texts{R"({"channel":"a"})"});
    CHECK_FALSE(split_body(R"({"channel":"a"})", false)->list);
    CHECK(items("\r\n[ {\"a\":[{}]} , { } ]\n") == Texts{R"({"a":[{}]})", "{ }"});
    CHECK(split_body(R"([{"channel":"a"}])", false)->list);
    CHECK(items("{\"a\":1}\n\n \r\n{\"b\":2}\r\n{}", true) == Texts{R"({"a":1})", R"({"b":2})", "{}"});
    CHECK(split_body("{}", true)->list);
}

TEST_CASE("a body of nothing publishes nothing") {
    for (const char* body : {"", " \n\t"}) {
        CHECK(refused(body) == "the body is empty");
        CHECK(refused(body, true) == "the body is empty");
    }
    CHECK(refused("[]") == "there is nothing to publish");
    CHECK(refused(" [ ] ") == "there is nothing to publish");
}

TEST_CASE("a request has a thousand items at most") {
    CHECK(items("[" + many(1000, "{}", ",") + "]").size() == 1000);
    CHECK(items(many(1000, "{}", "\n"), true).size() == 1000);
    for (const bool lines : {false, true}) {
        const auto out = lines ? split_body(many(1001, "{}", "\n"), true)
                               : split_body("[" + many(1001, "{}", ",") + "]", false);
        REQUIRE_FALSE(out.ok());
        CHECK(out.error().too_big);
        CHECK(out.error().because == "a request has at most 1000 publications");
    }
}

TEST_CASE("a list that is none is refused whole") {
    for (const char* body : {"[1]", "[[{}]]", "[{},null]", "[{},]", "[,{}]", "[{} {}]", "[{}", "[", "[{}] x",
                             "[{}]]", "[{}][{}]", "[{}{}]", "[\"a\"]", "[{}}", R"([{"x":[}]}])"}) {
        INFO(body);
        CHECK(refused(body) != "");
    }
}

TEST_CASE("an item is an object, and nothing stands before or behind it") {
    CHECK(read(R"({"channel":"a","data":{}})").channels == Texts{"a"});
    for (const char* item : {"hello", "1", "", "\"{}\"", "{", "{,\"channel\":\"a\"}", "{\"channel\":\"a\",}",
                             "x{\"channel\":\"a\",\"data\":{}}", "1 {\"channel\":\"a\",\"data\":{}}",
                             "{\"channel\":\"a\",\"data\":{}}x", "{\"channel\":\"a\",\"data\":{}}{}",
                             "{\"channel\":\"a\",\"data\":{\"x\":}}", "{{\"channel\":\"a\"}}"}) {
        INFO(item);
        CHECK(read(item).because != "");
    }
}

TEST_CASE("an item of a list is as one that comes alone") {
    const Texts both = items(R"([{"channel":"a","data":{"x":tru}},{"channel":"b","data":{}}])");
    REQUIRE(both.size() == 2);
    CHECK(read(both[0]).because != "");
    CHECK(read(both[1]).channels == Texts{"b"});
}

TEST_CASE("numbers that no type holds stay as they are written") {
    const std::string item =
        R"({"channel":"a","data":{"n":1e400,"m":12345678901234567890123,"l":12345678901234567890,"z":1.0e+02}})";
    const std::string data =
        R"("data":{"n":1e400,"m":12345678901234567890123,"l":12345678901234567890,"z":1.0e+02})";
    CHECK(read(item).data == data);
    CHECK(read(items("[" + item + "]").front()).data == data);
    CHECK(read(items(item + "\n" + item, true).back()).data == data);
}

TEST_CASE("an item names its channel, or several, each once") {
    CHECK(read(R"({"channels":["a","b/c"],"data":{}})").channels == Texts{"a", "b/c"});
    CHECK(read(R"({"channels":["a"],"data":{}})").channels == Texts{"a"});
    CHECK(read(R"({"channel":"a","channels":["b"]})").because ==
          "`channel` and `channels` exclude each other");
    CHECK(read(R"({"channels":"a"})").because == "`channels` is a list of texts");
    CHECK(read(R"({"channels":null})").because == "`channels` is a list of texts");
    CHECK(read(R"({"channels":[]})").because == "`channels` is empty");
    CHECK(read(R"({"channels":["a","b","a"]})").because == "a channel stands twice in `channels`");
    CHECK(read(R"({"channels":["a",1]})").because == "item 1 of `channels` names no channel");
    CHECK(read(R"({"channels":["a","b//c"]})").because == "item 1 of `channels` names no channel");
    CHECK(read(R"({"channel":""})").because != "");
    CHECK(read(R"({"channel":7})").because != "");
    CHECK(read(R"({"data":{}})").because != "");
    CHECK(read("{}").because != "");
}

TEST_CASE("a thousand channels at most") {
    const auto named = [](size_t number) {
        std::string out = R"({"channels":["c/0")";
        for (size_t i = 1; i < number; ++i) out += ",\"c/" + std::to_string(i) + '"';
        return out + "]}";
    };
    CHECK(read(named(1000)).channels.size() == 1000);
    CHECK(read(named(1001)).because == "a request has at most 1000 publications");
}

TEST_CASE("a member that no publication has is named") {
    CHECK(read(R"({"channel":"a","chanel":"b"})").because == "there is no member `chanel`");
    CHECK(read(R"({"channel":"a","":1})").because == "there is no member ``");
    CHECK(read(R"({"channel":"a","$id":1})").because == "there is no member `$id`");
    CHECK(read(R"({"channel":"a","data":{},"key":"k","dedup":"d","except_session":"s"})").because == "");
    CHECK(read(R"({"channel":"a","channel":"b"})").because != "");
    CHECK(read(R"({"channel":"a","type":"t"})").because != "");
    CHECK(read(R"({"type":"$request","channel":"a"})").because != "");
}
