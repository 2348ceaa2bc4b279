// Why something was refused: the words of logs, metrics and the wire.
#pragma once

#include <cstdint>
#include <string_view>

namespace wayleave {

enum class Reason : uint8_t {
    unauthenticated,
    forbidden,
    limited,
    banned,
    bad_message,
    unknown_message,
    too_big,
    slow,
    expired,
    unavailable,
    policy_changed,
    bad_request,  // what the codec or the handshake refuses; not named in the language
    unknown_route,
    idle,
    replaced,  // by a newer connection that a limit counts
    refused,   // by the application's own server
    count_,
};

[[nodiscard]] std::string_view to_string(Reason reason);

}  // namespace wayleave
