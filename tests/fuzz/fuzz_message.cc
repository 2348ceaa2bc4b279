// Any bytes as a client's message: what is accepted is published as JSON that says the same and begins with
// `$`.
#include <simdjson.h>

#include <cstdint>
#include <cstdlib>

#include <algorithm>

#include "daemon/base/json_text.h"
#include "daemon/message/client_message.h"
#include "daemon/session/message_members.h"
#include "daemon/session/native.h"
#include "tests/support/rfc8259.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

dsl::Message block() {
    dsl::Message out;
    out.fields.push_back(
        {"to", {"to"}, {dsl::Kind::string, dsl::Shape::one}, false, dsl::Value(std::string("x")), {}});
    out.fields.push_back(
        {"n", {"a", "n"}, {dsl::Kind::integer, dsl::Shape::one}, false, dsl::Value(int64_t{0}), {}});
    out.fields.push_back({"l",
                          {"l"},
                          {dsl::Kind::string, dsl::Shape::set},
                          false,
                          dsl::Value(std::vector<dsl::Scalar>{}),
                          {}});
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static MessageParser parser;
    static const dsl::Message fields = block();
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto parsed = parser.parse(text);
    if (!parsed.ok()) return 0;
    check(test::Rfc8259::holds(text));
    const MessageParser::Message& message = *parsed.value();
    const auto values = read_fields(fields, message);
    check(!values.ok() || values->size() == fields.fields.size());
    const std::string out =
        publication_text("room/a", {"0-1", 1, published_members(message.members)}, {7, 1});
    check(test::Rfc8259::holds(out));
    simdjson::dom::parser again;
    simdjson::dom::element root;
    simdjson::dom::object object;
    check(parse_json(again, out, root) == simdjson::SUCCESS && root.get(object) == simdjson::SUCCESS);
    const auto hidden =
        static_cast<size_t>(std::count_if(message.members.begin(), message.members.end(),
                                          [](const auto& member) { return member.key.starts_with('$'); }));
    check(object.size() == message.members.size() + 1 - hidden);
    std::string_view type;
    check(object["type"].get(type) == simdjson::SUCCESS && type == message.type);
    const Stamps stamps = with_type({{"re", "7"}, {"from", "\"x\""}}, "a \"type\"");
    const std::string reply = reply_text(message.id, reply_members(message.members, stamps));
    check(test::Rfc8259::holds(reply));
    check(parse_json(again, reply, root) == simdjson::SUCCESS && root.get(object) == simdjson::SUCCESS);
    std::string_view renamed;
    check(object["type"].get(renamed) == simdjson::SUCCESS && renamed == "a \"type\"");
    check(message.id.empty() == (object["re"].error() == simdjson::NO_SUCH_FIELD));
    if (names_channels(message)) {
        const auto parts = parts_of(message);
        for (size_t i = 0; parts.ok() && i < parts->size(); ++i) {
            MessageParser own;
            const auto part = own.parse((*parts)[i]);
            check(part.ok() && (*part)->type == message.type && own.id() == message.id);
            check(!names_channels(**part));
        }
    }
    check(parse_json(again, error_text(message.id, "bad_message", {}, true), root) == simdjson::SUCCESS);
    return 0;
}
