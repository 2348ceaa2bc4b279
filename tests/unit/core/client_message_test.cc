#include "daemon/core/client_message.h"

#include "daemon/core/message.h"

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
    return publication_text({"a/b", "7", 5, published_members(parsed.value()->members)}, {});
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

std::string fields_error(const std::string& text, bool strict = false) {
    MessageParser parser;
    const auto parsed = parser.parse(text);
    REQUIRE(parsed.ok());
    dsl::Message message = block();
    message.strict = strict;
    const auto fields = read_fields(message, *parsed.value());
    return fields ? "" : fields.error();
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

TEST_CASE("an id is known even if the rest is not") {
    MessageParser parser;
    CHECK_FALSE(parser.parse(R"({"$id":"c1","type":"a b"})").ok());
    CHECK(parser.id() == "\"c1\"");
    CHECK_FALSE(parser.parse("broken").ok());
    CHECK(parser.id().empty());
}

TEST_CASE("fields") {
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":3,"more":1},"tags":["b","a","b"]})").empty());
    CHECK(fields_error(R"({"type":"a"})") == "the field to is missing");
    CHECK(fields_error(R"({"type":"a","to":"z"})") == "the field to has a value that is not in its set");
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":"3"}})") == "the field id is no int");
    CHECK(fields_error(R"({"type":"a","to":"x","task":{"id":3,"id":4}})") == "the field id stands twice");
    CHECK(fields_error(R"({"type":"a","to":"x","task":7})")
              .empty());  // there is no task.id in it: it is absent
    CHECK(fields_error(R"({"type":"a","to":"x","extra":1})").empty());
    CHECK(fields_error(R"({"type":"a","to":"x","extra":1})", true) ==
          "a member that is not a field of this message");
    CHECK(fields_error(R"({"type":"a","to":"x","$id":1,"task":{}})", true).empty());
}
