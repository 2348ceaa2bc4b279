// Speaks to a running daemon over its control socket.
#pragma once

#include <string>

#include "dsl/result.h"

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

}  // namespace wayleave
