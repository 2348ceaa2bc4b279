// What concerns the whole process, once, before its first thread is started.
#pragma once

namespace wayleave {

// SIGHUP, SIGTERM, SIGINT and SIGUSR1 are blocked and SIGPIPE and SIGXFSZ are ignored from here on. Threads
// inherit the mask; the main loop unblocks them for its own thread.
void block_signals();

// From here on an exception that nobody expects, and any other std::terminate(), is logged before the process
// aborts. Callbacks of C libraries are noexcept, so this is the one place where bugs end up, with their stack
// intact.
void log_bugs();

}  // namespace wayleave
