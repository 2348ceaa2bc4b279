#include "daemon/message/client_message.h"

#include "daemon/message/message.h"

#include <catch2/catch.hpp>

using namespace wayleave;
using dsl::Kind;
using dsl::Shape;

namespace {

std::string reason(const std::string& text) {
    MessageParser parser;
    const auto parsed = parser.parse(text);
    return parsed.ok() ? "" : std::string(parsed.error());
}

std::string republished(const std::string& text) {
    MessageParser parser;
    const auto parsed = parser.parse(text);
    REQUIRE(parsed.ok());
    return publication_text("a/b", {"7", 5, published_members(parsed.value()->members)}, {});
}

dsl::Message block() {
    dsl::Message out;
    out.fields.push_back(
        {"to", {"to"}, {Kind::string, Shape::one}, true, {}, {std::string("x"), std::string("y")}});
    out.fields.push_back(
        {"id", {"task", "id"}, {Kind::integer, Shape::one}, false, dsl::Value(int64_t{0}), {}});
    out.fields.push_back(
        {"tags", {"tags"}, {Kind::string, Shape::list}, false, dsl::Value(std::vector<dsl::Scalar>{}), {}});
    return out;
}

std::string stamped(const std::string& text, const Stamps& stamps) {
    MessageParser parser;
    const auto parsed = parser.parse(text);
    REQUIRE(parsed.ok());
    return published_members(parsed.value()->members, stamps);
}

std::string fields_error(const std::string& text, bool strict = false) {
    MessageParser parser;
    const auto parsed = parser.parse(text);
    REQUIRE(parsed.ok());
    dsl::Message message = block();
    message.strict = strict;
    const auto fields = read_fields(message, *parsed.value());
    return fields ? "" : fields.error().text;
}

}  // namespace

TEST_CASE("a publication is the message with one member more and without its id") {
    CHECK(republished(R"({"type":"t"})") == R"({"$":{"channel":"a/b","id":"7","at":5},"type":"t"})");
    CHECK(
        republished("{ \"$id\" : 3 ,\n \"type\" : \"t\", \"n\": 1.0e2, \"s\":\"\\u00e4,}\" , \"o\": "
                    "{\"a\":[1,{}]} }") ==
        R"({"$":{"channel":"a/b","id":"7","at":5},"type" : "t","n": 1.0e2,"s":"\u00e4,}","o": {"a":[1,{}]}})");
    CHECK(republished(R"({"\"\\":1,"type":"t"})") ==
          R"({"$":{"channel":"a/b","id":"7","at":5},"\"\\":1,"type":"t"})");
}

TEST_CASE("what the server sets stands once, whatever the client says under that name") {
    const Stamps stamps{{"from", "\"ann\""}, {"a\"b", "7"}};
    CHECK(stamped(R"({"type":"t","x":1})", stamps) == R"("from":"ann","a\"b":7,"type":"t","x":1)");
    CHECK(stamped(R"({"from":"bob","type":"t"})", stamps) == R"("from":"ann","a\"b":7,"type":"t")");
    // The name is compared as it is read, not as it is spelt.
    CHECK(stamped(R"({"type":"t","fr\u006fm":{"x":["bob"]},"a\u0022b":0})", stamps) ==
          R"("from":"ann","a\"b":7,"type":"t")");
    // A reader that does not mind the case of letters must not read another.
    CHECK(stamped(R"({"type":"t","From":"bob","FROM":"bob","from\u0000":1})", stamps) ==
          R"("from":"ann","a\"b":7,"type":"t","from\u0000":1)");
}

TEST_CASE("what is no message") {
    CHECK(reason("") == "not JSON");
    CHECK(reason("{\"type\":\"a\",\"x\":tru}") == "not JSON");
    CHECK(reason("{\"type\":\"a\",\"x\":[1,}") == "not JSON");
    CHECK(reason("{\"type\":\"a\"} {}") == "not JSON");
    CHECK(reason(std::string(3000, '[') + std::string(3000, ']')) == "not JSON");
    CHECK(reason("7") == "not a JSON object");
    CHECK(reason("{}") == "no `type`");
    CHECK(reason(R"({"type":"a","a":1,"\u0061":2})") == "a member stands twice");
    CHECK(reason(R"({"type":"a","$":1})") == "members that begin with `$` are the server's");
    CHECK(reason(R"({"type":"a","$id":1.5})") == "`$id` is a short string or an integer");
    CHECK(reason(R"({"type":"a","$id":")" + std::string(200, 'x') + "\"}") ==
          "`$id` is a short string or an integer");
    CHECK(reason(R"({"type":")" + std::string(129, 'x') + "\"}") != "");
    std::string many = R"({"type":"a")";
    for (int i = 0; i < 256; ++i) many += ",\"m" + std::to_string(i) + "\":1";
    CHECK(reason(many + "}") == "more than 256 members");
}

TEST_CASE("what no type of ours holds is passed on as it came") {
    const std::string head = R"({"$":{"channel":"a/b","id":"7","at":5},)";
    for (const std::string member :
         {R"("n":123456789012345678901234567890)", R"("n":-9223372036854775809)", R"("n":1e400)",
          R"("n":[{"deep":-1.5E+9999}])", R"("s":"\ud83d")", R"("s":"x\udE00\ud83dy")",
          R"("s":"\ud83d\ud83d\ude00")", R"("\ud83d":1,"\ud83e":2)", R"("$id":1e3,"s":"\ud83d")"}) {
        INFO(member);
        if (member.starts_with("\"$id"))
            CHECK(reason("{\"type\":\"t\"," + member + "}") == "`$id` is a short string or an integer");
        else
            CHECK(republished("{\"type\":\"t\"," + member + "}") == head + "\"type\":\"t\"," + member + "}");
    }
}

TEST_CASE("what we cannot hold is no way around the checks") {
    for (const char* broken :
         {R"({"type":"a","n":1e400,})", R"({"type":"a","n":01e400})",
          R"({"type":"a","n":123456789012345678901x})", R"({"type":"a","n":x1e400})",
          R"({"type":"a","s":"\ud83d\q"})", R"({"type":"a","s":"\ud83"})", R"({"type":"a","s":"\ud83d)",
          R"({"type":"a","s":x"\ud83d"})", "{\"type\":\"a\",\"s\":\"\\ud83d\xff\"}",
          "{\"type\":\"a\",\"s\":\"\\ud83d\n\"}", R"({"type":"a","n":1e400}{})", R"({"type":"a",1e400:1})",
          R"({"n":1e400)"}) {
        INFO(broken);
        CHECK(reason(broken) == "not JSON");
    }
    CHECK(reason("1e400") == "not a JSON object");
    CHECK(reason(R"({"type":"\ud83d"})") == "`type` is a text of 1 to 128 bytes without control characters");
    CHECK(reason(R"({"type":"a","$\ud83d":1})") == "members that begin with `$` are the server's");
    CHECK(reason(R"({"type":"a","\ud83d":1,"\uD83D":2})") == "a member stands twice");
    CHECK(reason(R"({"type":"a","n":1e400,"n":1})") == "a member stands twice");

    MessageParser parser;
    const auto data = [&](const std::string& text) {
        const auto parsed = parser.parse(R"({"type":"$publish","data":)" + text + "}");
        REQUIRE(parsed.ok());
        simdjson::dom::object object;
        REQUIRE(parsed.value()->find("data")->value.get(object) == simdjson::SUCCESS);
        return speaks_as_daemon(members_of(object, text));
    };
    CHECK(data(R"({"type":"$ok"})"));
    CHECK(data(R"({"type":"$ok\ud83d"})"));
    CHECK_FALSE(data(R"({"type":"ok","x":"$\ud83d"})"));
    CHECK_FALSE(data(R"({"type":1e400})"));
}

TEST_CASE("what is wrong with the name of a channel") {
    const auto fault = [](const std::string& channel) {
        MessageParser parser;
        const auto parsed = parser.parse("{\"type\":\"$subscribe\"" + channel + "}");
        REQUIRE(parsed.ok());
        return no_channel(*parsed.value());
    };
    CHECK(fault("") == "`channel` is missing");
    CHECK(fault(",\"channel\":7") == "`channel` is no text");
    CHECK(fault(",\"channel\":\"\"") == "`channel` is empty");
    const std::string no = "`channel` is no name of a channel: ";
    CHECK(fault(",\"channel\":\"a//b\"") == no + "a segment of it is empty");
    CHECK(fault(",\"channel\":\"a/..\"") == no + "a segment of it is `..`");
    CHECK(fault(",\"channel\":\"a/:b\"") == no + "character 3 is `:`, which no segment begins with");
    const std::string may = ", and there may be letters, digits and `._-~@:=`";
    CHECK(fault(",\"channel\":\"room/ä b\"") == no + "character 6 is `ä`" + may);
    CHECK(fault(",\"channel\":\"a b\"") == no + "character 2 is ` `" + may);
    CHECK(fault(",\"channel\":\"" + std::string(256, 'a') + "\"") ==
          no + "it has 256 bytes, and at most 255 are possible");
    CHECK(fault(",\"channel\":\"a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a\"") == no + "it has more than 16 segments");
}

TEST_CASE("an id is known even if the rest is not") {
    MessageParser parser;
    CHECK_FALSE(parser.parse(R"({"$id":"c1","type":"a\nb"})").ok());
    CHECK(parser.id() == "\"c1\"");
    CHECK_FALSE(parser.parse(R"({"$id":123456789012345678901,"x":1e400})").ok());
    CHECK(parser.id() == "123456789012345678901");
    CHECK_FALSE(parser.parse(R"({"$id":"\ud83d"})").ok());
    CHECK(parser.id() == R"("\ud83d")");
    std::string many = R"({"$id":4)";
    for (int i = 0; i < 300; ++i) many += ",\"m" + std::to_string(i) + "\":1";
    many += '}';
    CHECK_FALSE(parser.parse(many).ok());
    CHECK(parser.id() == "4");
    CHECK_FALSE(parser.parse("broken").ok());
    CHECK(parser.id().empty());
}

TEST_CASE("fields") {
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":3,"more":1},"tags":["b","a","b"]})").empty());
    CHECK(fields_error(R"({"type":"a"})") == "the field to is missing");
    CHECK(fields_error(R"({"type":"a","to":"z"})") == "the field to has a value that is not in its set");
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":"3"}})") == "the field id is no int");
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":3,"id":4}})") == "the field id stands twice");
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":18446744073709551616}})") ==
          "the field id is no int");
    CHECK(fields_error(R"({"type":"a","to":"x\ud83d"})") == "the field to is no string");
    CHECK(fields_error(R"({"type":"a","to":"x","tags":["\ud83d"]})") ==
          "the field tags is no list of string");
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":3,"n":1e400},"s":"\ud83d"})").empty());
    CHECK(fields_error(R"({"type":"a","to":"x","task":7})")
              .empty());  // there is no task.id in it: it is absent
    CHECK(fields_error(R"({"type":"a","to":"x","extra":1})").empty());
    CHECK(fields_error(R"({"type":"a","to":"x","extra":1})", true) ==
          "the member `extra` is not a field of this message");
    CHECK(fields_error(R"({"type":"a","to":"x","$id":1,"task":{}})", true).empty());
}
