// The words of the dialect `wayleave.v1` that the daemon says: JSON texts, not yet framed. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/rejection.h"

namespace wayleave {

struct Hello {
    uint64_t session = 0;
    std::string_view user;
    int64_t ping_every_ms = 0;
    size_t max_message = 0;
    std::vector<std::string_view> channels;
};

[[nodiscard]] std::string hello_text(const Hello& hello);
// `re` is JSON text: what the client sent as `$id`.
[[nodiscard]] std::string ok_text(std::string_view re);
// Of `$auth`: until when the session may last now; 0: no end.
[[nodiscard]] std::string ok_text(std::string_view re, int64_t expires_ms);
[[nodiscard]] std::string pong_text(std::string_view re);
[[nodiscard]] std::string error_text(std::string_view re, std::string_view error, const Rejection& rejection,
                                     bool detail);
// `$subscribed` or `$unsubscribed`. `since`: the client asked for what it missed, and there is no history to
// take it from.
[[nodiscard]] std::string subscription_text(std::string_view word, std::string_view re,
                                            std::string_view channel, bool since);
// The server's own decision.
[[nodiscard]] std::string unsubscribed_text(std::string_view channel, std::string_view reason,
                                            std::string_view because);
// A negative `reconnect_ms` says not to come back.
[[nodiscard]] std::string bye_text(uint16_t code, std::string_view reason, std::string_view because,
                                   int64_t reconnect_ms);

[[nodiscard]] std::string session_text(uint64_t number);  // 16 hexadecimal digits

}  // namespace wayleave
