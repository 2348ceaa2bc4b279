// What an application's server publishes by HTTP: one object, a list of them, or a line each. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/publication_request.h"
#include "dsl/text/result.h"

namespace wayleave {

struct ApiBody {
    static constexpr size_t most_items = 1000;

    // JSON text of an object each, looked at no further.
    std::vector<std::string> items;
    bool list = false;  // answered with a list, too
};

// `lines`: application/x-ndjson.
[[nodiscard]] Result<ApiBody, BadMessage> split_body(std::string_view body, bool lines);

// An item as a message of the dialect, so that the same parser looks at it. What is no object stays what it
// is.
[[nodiscard]] std::string as_message(std::string_view json);

// Whose receivers an item asks for, and how many were found: `"receivers": true`.
struct Receivers {
    size_t index = 0;  // of the publication
    std::string channel;
    uint64_t except = 0;  // see Draft
    size_t sessions = 0;
};

// Whether an item asks for them.
[[nodiscard]] Result<bool, BadMessage> wants_receivers(const MessageParser::Message& item);

// The channels of an item: `channel`, or `channels`, each once. Also refuses members that no publication has.
[[nodiscard]] Result<std::vector<std::string>, BadMessage> channels_of(const MessageParser::Message& item);

}  // namespace wayleave
