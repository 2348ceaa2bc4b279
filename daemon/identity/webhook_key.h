// The secrets that requests to a backend are signed with, in the form of Standard Webhooks: "whsec_" and
// base64 of 24 to 64 bytes, one a line. Blocking I/O; thread: any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/identity/key_error.h"
#include "daemon/identity/key_file.h"

namespace wayleave {

constexpr size_t most_webhook_keys = 4;

// In the order of the file; at least one. Errors name the path.
KeyResult<std::vector<std::shared_ptr<const SecretText>>> read_webhook_keys(const std::string& path);

}  // namespace wayleave
