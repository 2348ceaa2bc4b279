// The files of the console, as they were built into the program.
#pragma once

#include "daemon/client/client_files.h"

namespace wayleave {

[[nodiscard]] std::span<const ClientFile> console_files();

}  // namespace wayleave
