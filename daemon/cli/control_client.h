// Speaks to a running daemon over its control socket.
#pragma once

#include <string>
#include <string_view>

#include "dsl/text/result.h"

namespace simdjson::dom {
class element;
}

namespace wayleave {

// Where the daemon is: one of the two.
struct ControlAddress {
    std::string config;  // settings that name the socket
    std::string socket;  // or the socket itself
};

struct ControlAnswer {
    long status = 0;
    std::string body;
};

// Complains and gives the exit code if there is no answer.
[[nodiscard]] Result<ControlAnswer, int> ask_daemon(const ControlAddress& address, const char* method,
                                                    const char* path, const std::string& body = {});

// A text in an answer; `?` if it is not there.
// What to say about an answer that holds none of the words that this program knows.
[[nodiscard]] std::string strange_answer(const ControlAnswer& answer);

[[nodiscard]] std::string_view text_of(const simdjson::dom::element& object, const char* name);

}  // namespace wayleave
