// Members of a client's message that the protocol knows. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "daemon/message/client_message.h"
#include "daemon/message/message.h"

namespace wayleave {

// `{ "epoch": "…", "offset": 7 }`
[[nodiscard]] std::optional<Position> position_of(const MessageParser::Member& since);

}  // namespace wayleave
