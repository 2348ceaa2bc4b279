// The words of the dialect `wayleave.v1` that the daemon says: JSON texts, not yet framed. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/rejection.h"
#include "daemon/message/broker.h"

namespace wayleave {

struct Hello {
    uint64_t session = 0;
    std::string_view user;
    int64_t ping_every_ms = 0;
    size_t max_message = 0;
    struct Joined {
        std::string_view channel;
        Position position = {};              // epoch 0: not numbered, or not known yet
        std::optional<bool> recovered = {};  // where there is something to recover
        bool acks = false;                   // it is for the client to say `$ack` there
    };
    std::vector<Joined> channels;
    int64_t expires_ms = 0;  // wall time when the session ends unless a new token comes; 0: never
};

// What `$subscribed` says.
struct Subscribed {
    std::string_view channel;
    Position position = {};              // where the channel stands; epoch 0: it is not numbered
    std::optional<bool> recovered = {};  // set where something was to be recovered
    int64_t expires_ms = 0;              // where a grant ends; 0: never, or there is none
    bool acks = false;                   // as of Hello::Joined
};

[[nodiscard]] std::string hello_text(const Hello& hello);
// `re` is JSON text: what the client sent as `$id`.
[[nodiscard]] std::string ok_text(std::string_view re);
// Of a publication: where it stands; epoch 0: nowhere.
[[nodiscard]] std::string ok_text(std::string_view re, Position position, bool duplicate);
// `data` is JSON text.
[[nodiscard]] std::string ok_text(std::string_view re, std::string_view data);
// Of `$auth`: until when the session may last now; 0: no end.
[[nodiscard]] std::string ok_text(std::string_view re, int64_t expires_ms);
// What a message block's `reply` says: members, at least `type`.
[[nodiscard]] std::string reply_text(std::string_view re, std::string_view members);
[[nodiscard]] std::string pong_text(std::string_view re);
// `channel`: of what was asked about one; empty: it was about none.
[[nodiscard]] std::string error_text(std::string_view re, std::string_view error, const Rejection& rejection,
                                     bool detail, std::string_view channel = {});
[[nodiscard]] std::string subscribed_text(std::string_view re, const Subscribed& subscribed);
// The client's own decision.
[[nodiscard]] std::string unsubscribed_text(std::string_view re, std::string_view channel);
// The server's own decision.
[[nodiscard]] std::string unsubscribed_text(std::string_view channel, std::string_view reason,
                                            std::string_view because);
// So many messages were left out, because the client reads too slowly.
[[nodiscard]] std::string dropped_text(uint64_t messages);
// The last words to a session: the code and reason of the close frame, and what they mean.
struct Farewell {
    uint16_t code = 0;
    std::string reason;
    std::string because;
    int64_t reconnect_ms = -1;  // -1: it is not to come again
    bool renew = false;         // its time was over: it may come again with a new token
};

[[nodiscard]] std::string bye_text(const Farewell& farewell);

// The answers to `$history` and `$presence`.
[[nodiscard]] std::string history_data(const Page& page);
[[nodiscard]] std::string presence_data(const Roster& roster);

[[nodiscard]] std::string session_text(uint64_t number);  // 16 hexadecimal digits
[[nodiscard]] std::optional<uint64_t> parse_session(std::string_view text);

// How long a client is asked to wait at least before it comes again, by `$hello`.
constexpr int64_t reconnect_min_ms = 500;

}  // namespace wayleave
