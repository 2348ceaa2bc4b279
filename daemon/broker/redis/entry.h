// A publication as it stands in Redis: an entry of a channel's list, and the same bytes on its way to the
// subscribers. The head is made by the script that numbers it, the body by the node where it was published.
// Whatever comes from Redis is read as hostile. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/message/broker.h"
#include "daemon/message/message.h"
#include "dsl/text/result.h"

namespace wayleave {

// `node`: of this process. A session that wants its own message not back is one of that node's.
[[nodiscard]] std::string entry_body(const Draft& draft, uint64_t node);

// Of what is not numbered, which no script touches.
[[nodiscard]] std::string unnumbered_entry(const Draft& draft, uint64_t node);

struct RedisEntry {
    Publication message;
    int64_t at_ms = 0;  // by Redis's clock; 0: not kept
};

// EPOCH(8 characters) OFFSET `:` AT `:` BODY. `epoch`: of the channel now, if that is known. What is kept
// from before a fork has the offset that it had, and stands in the numbering that goes on from it.
[[nodiscard]] Result<RedisEntry> read_entry(std::string_view entry, std::string channel, uint64_t node,
                                            std::optional<uint64_t> epoch = std::nullopt);

// `EPOCH(8 characters) ':' OFFSET`, or without the colon: as the scripts speak of positions.
[[nodiscard]] Result<Position> read_position(std::string_view text);
// A whole decimal number of at most 15 digits, which Lua counts without loss.
[[nodiscard]] Result<uint64_t> read_number(std::string_view text);

}  // namespace wayleave
