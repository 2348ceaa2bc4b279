// One stream of one session: a WebSocket of the backend, folded into the client's connection. What it is and
// where it stands; FoldedStreams moves it on.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/connection.h"
#include "daemon/message/backend.h"
#include "daemon/message/client_message.h"
#include "daemon/message/reply_to.h"
#include "daemon/session/upstream.h"
#include "dsl/text/result.h"

namespace wayleave {

// What a client sent, as it goes to the backend.
struct StreamMessage {
    bool binary = false;
    std::string payload = {};
    ReplyTo re = {};
};

struct FoldedStream {
    enum class State : uint8_t {
        resting,  // to be opened with the first message
        queued,   // waits for its turn to ask the backend
        shaking,  // the backend is asked
        open,
        waiting,  // for the next attempt
        closed,   // the backend has said no, or goodbye
        leaving,  // the client is gone, or the policy has taken it away: the backend is told goodbye
    };
    enum class Told : uint8_t { nothing, open, closed };

    uint64_t number = 0;  // of this stream in this worker
    uint64_t session = 0;
    ConnectionId client;
    std::string name;
    std::shared_ptr<const Backend> backend;
    std::string path;
    State state = State::resting;
    Told told = Told::nothing;
    bool paused = false;   // the client reads too slowly: nothing is read from the backend
    std::string unread;    // came with what made it pause: less than one read
    uint64_t dialled = 0;  // the number of its connection; 0: none
    std::unique_ptr<Upstream> upstream;
    std::deque<StreamMessage> pending;  // until it is open
    size_t pending_bytes = 0;
    uint32_t failures = 0;       // in a row
    int64_t opened_ms = 0;       // steady time
    int64_t due_ms = INT64_MAX;  // an attempt has failed by then, or the next one is made
    int64_t lost_ms = 0;         // since when it is not open, though it should be
    int64_t at_ms = INT64_MAX;   // when something is to be done about it
};

// Why a stream is not open, for its client.
struct StreamEnd {
    uint16_t code = 0;
    std::string reason = {};
    std::optional<int64_t> retry_ms = {};
};

// {"type":"$stream","stream":…,"state":"open"}
[[nodiscard]] std::string stream_open_text(std::string_view name);
[[nodiscard]] std::string stream_closed_text(std::string_view name, const StreamEnd& end);
// {"stream":…,"payload":…}: JSON as it is, other text as "text", bytes as "base64".
[[nodiscard]] std::string stream_message_text(simdjson::dom::parser& parser, std::string_view name,
                                              bool binary, std::string_view payload);
// What a client says to its stream: one of the three. Error: what is wrong.
[[nodiscard]] Result<StreamMessage> read_stream_message(const MessageParser::Message& message);

// Whether the backend's goodbye is its last word, or it will be there again.
[[nodiscard]] bool is_final_close(uint16_t code);

}  // namespace wayleave
