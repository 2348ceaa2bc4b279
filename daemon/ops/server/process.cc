#include "daemon/ops/server/process.h"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>

#include "daemon/ops/log/log.h"

namespace wayleave {

void block_signals() {
    sigset_t handled;
    sigemptyset(&handled);
    for (const int signal : {SIGHUP, SIGTERM, SIGINT, SIGUSR1}) sigaddset(&handled, signal);
    pthread_sigmask(SIG_BLOCK, &handled, nullptr);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, nullptr);
    sigaction(SIGXFSZ, &ignore, nullptr);  // a log file at its limit is a lost line, not an end
}

void log_bugs() {
    std::set_terminate([] {
        std::string what = "std::terminate() was called";
        if (const auto current = std::current_exception()) {
            try {
                std::rethrow_exception(current);
            } catch (const std::exception& exception) {
                what = exception.what();
            } catch (...) {
                what = "an exception of an unknown kind";
            }
        }
        log_event(Level::error, "bug", "a bug in wayleave, please report it: " + what);
        flush_log();
        std::abort();
    });
}

}  // namespace wayleave
