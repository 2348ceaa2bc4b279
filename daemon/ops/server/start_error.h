// Why the daemon does not start.
#pragma once

#include <string>

#include "daemon/edge/socket.h"
#include "dsl/text/result.h"

namespace wayleave {

struct StartError {
    int exit_code = 0;  // of sysexits(3)
    std::string text;   // "WHAT: reason; remedy"
};

using Started = Result<Nothing, StartError>;

[[nodiscard]] Failure<StartError> refuse_start(int exit_code, std::string text);
[[nodiscard]] Failure<StartError> refuse_start(const ListenError& error);

}  // namespace wayleave
