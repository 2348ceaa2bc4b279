// Members of a client's message that the protocol knows. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/client_message.h"
#include "daemon/message/message.h"

namespace wayleave {

// `{ "epoch": "…", "offset": 7 }`
[[nodiscard]] std::optional<Position> position_of(const MessageParser::Member& since);

// A `$subscribe` or `$unsubscribe` of several channels.
[[nodiscard]] bool names_channels(const MessageParser::Message& message);
// The same as messages of one channel each, with the `$id` of all; or what is wrong with its list.
[[nodiscard]] Result<std::vector<std::string>, std::string> parts_of(const MessageParser::Message& message);

}  // namespace wayleave
