// Takes the listening sockets of the daemon that runs, over its control socket. Blocking; at the start alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/edge/socket.h"
#include "daemon/ops/server/given_sockets.h"
#include "daemon/ops/server/start_error.h"

namespace wayleave {

// What the daemon that takes over says when it serves; behind it stands the number of its process.
constexpr std::string_view ready_word = "ready ";

[[nodiscard]] std::string_view use_name(GivenListener::Use use);

struct TakenOver {
    std::vector<GivenListener> listeners;
    FileDescriptor line;  // to the daemon before; when it breaks that one goes on
};

// An empty path: the settings have no control socket, which is an error.
[[nodiscard]] Result<TakenOver, StartError> take_over_from(const std::string& control_socket);

// From now on this daemon serves, and the one before ends. False: it is gone already.
[[nodiscard]] bool tell_ready(const FileDescriptor& line);

}  // namespace wayleave
