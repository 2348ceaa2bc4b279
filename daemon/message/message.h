// A publication as subscribers get it: made once, never changed, shared by all queues and histories.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/message/shared_frame.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// How far a channel's numbering has come. The first message has offset 1. A new epoch says that the numbering
// was lost: offsets of different epochs mean nothing to each other. Epoch 0: the channel is not numbered.
struct Position {
    uint64_t epoch = 0;
    uint64_t offset = 0;

    friend bool operator==(const Position&, const Position&) = default;
};

// As it is spoken to clients: 8 characters of base64url, for the lower 48 bits, which are all there are.
[[nodiscard]] std::string epoch_text(uint64_t epoch);
[[nodiscard]] std::optional<uint64_t> parse_epoch(std::string_view text);

// What is published, beside its channel and its place in the channel's numbering.
struct Body {
    std::string_view id;
    int64_t at_ms = 0;         // wall time
    std::string_view members;  // of a JSON object, without its braces; may be empty
};

struct Message {
    Message(std::string channel_in, Position position_in, std::string_view payload)
        : channel(std::move(channel_in)), position(position_in), frame(Opcode::text, payload) {}
    Message(std::string channel, Position position, const Body& body);

    const std::string channel;
    const Position position;
    uint64_t except = 0;  // the session that published and does not want it back; 0: nobody
    std::string key;      // of conflation; may be empty
    std::optional<dsl::Lane>
        lane;                   // else the channel's; of a numbered channel never, since that has an order
    bool announcement = false;  // `$join` or `$leave`: nobody's message
    // No message, and for nobody's eyes: the numbering stands there. It is another than before, or what lies
    // between is lost.
    bool stands = false;
    SharedFrame frame;  // of dialect `wayleave.v1`
};

using Publication = std::shared_ptr<const Message>;

// The message as its subscribers read it: `{"$":{"channel":…,"id":…,"at":…,"epoch":…,"offset":…},…}`.
[[nodiscard]] std::string publication_text(std::string_view channel, const Body& body, Position position);

}  // namespace wayleave
