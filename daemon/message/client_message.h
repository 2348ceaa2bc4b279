// A client's message of the native dialect: checked as JSON, its type and `$id` found, the declared fields
// read, and its text made ready to be published. Pure.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/evaluate.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// One parser a worker; views and elements live until its next parse() or until the text is touched.
class MessageParser {
  public:
    struct Member {
        std::string_view key;  // unescaped
        std::string_view raw;  // `"key": value` as it was sent
        simdjson::dom::element value;
    };
    struct Message {
        std::string_view type;    // empty: it is for a stream
        std::string_view stream;  // of `{"stream": …}` without a type: its name
        std::string_view id;      // of `$id`: JSON text of a string or an integer; empty if there is none
        simdjson::dom::object object;
        std::vector<Member> members;

        [[nodiscard]] const Member* find(std::string_view key) const;
    };

    // The reason, a static sentence, if it is not a JSON object with one `type` and no member twice. Where
    // there are streams, it may have the name of one instead. A type
    // that does not begin with `$` has no member that does, but `$id`, `$key` and `$dedup`: those are the
    // daemon's words. On failure `id()` may still be known. Values that we cannot hold (json_text.h) are null
    // here, and as they were sent in `raw`.
    [[nodiscard]] Result<const Message*, std::string_view> parse(std::string_view text, bool streams = false);
    [[nodiscard]] std::string_view id() const { return message_.id; }

  private:
    simdjson::dom::parser parser_;
    std::vector<char> buffer_;
    Message message_;
};

// The value of a member as it was sent.
[[nodiscard]] std::string_view raw_value(const MessageParser::Member& member);

// A member that is a text; empty if it is not.
[[nodiscard]] std::string_view text_member(const MessageParser::Message& message, std::string_view key);

// Why `channel` names none, as a sentence; the message has it or has it not.
[[nodiscard]] std::string no_channel(const MessageParser::Message& message);

// Which field, and what is wrong with it.
struct FieldError {
    std::string text;
    std::string place;  // of the field in the policy
};

// The declared fields of a message block.
[[nodiscard]] Result<std::vector<dsl::Value>, FieldError> read_fields(const dsl::Message& block,
                                                                      const MessageParser::Message& message);

// What the server writes over whatever the client said: names and JSON texts.
using Stamps = std::vector<std::pair<std::string_view, std::string>>;
[[nodiscard]] Stamps stamps_of(const dsl::Program& program, const dsl::Message& block,
                               const dsl::Request& request);

// The stamps of a message that goes out under another type; empty: under its own.
[[nodiscard]] Stamps with_type(const Stamps& stamps, std::string_view type);
// What its sender gets back as a reply: as what is published, but that `re` is ours to say.
[[nodiscard]] std::string reply_members(const std::vector<MessageParser::Member>& members,
                                        const Stamps& stamps);

// The members that subscribers get: the server's own, then those of the client as they were sent, without
// those that are for the daemon. Not in braces.
[[nodiscard]] std::string published_members(const std::vector<MessageParser::Member>& members,
                                            const Stamps& stamps = {});

// The members of an object beside their text, no more than `most`. `text` is the object's own, from its
// brace, and known to be valid.
[[nodiscard]] std::vector<MessageParser::Member> members_of(simdjson::dom::object object,
                                                            std::string_view text, size_t most = SIZE_MAX);
// Whether its `type` is one of the daemon's: subscribers would take it for the daemon's word.
[[nodiscard]] bool speaks_as_daemon(const std::vector<MessageParser::Member>& data);
[[nodiscard]] bool has_duplicates(const std::vector<MessageParser::Member>& members);

}  // namespace wayleave
