// Descriptors that go from one process to another over a Unix socket (SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "daemon/edge/socket.h"

namespace wayleave {

// One byte and descriptors ; the caller keeps its own. At most 253 at once. As
// send(2).
[[nodiscard]] ssize_t send_with_descriptors(const FileDescriptor& socket, char byte,
                                            const std::vector<int>& descriptors);

// As recv(2); the descriptors that came are appended. They are closed on exec.
[[nodiscard]] ssize_t receive_with_descriptors(const FileDescriptor& socket, std::span<char> bytes,
                                               std::vector<FileDescriptor>& descriptors);

}  // namespace wayleave
