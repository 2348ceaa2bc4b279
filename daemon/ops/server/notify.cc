#include "daemon/ops/server/notify.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace wayleave {

namespace {

// A STATUS is one line.
std::string status_line(std::string_view status) {
    std::string line(status.substr(0, status.find('\n')));
    return "STATUS=" + line;
}

void send(const std::string& state) {
    sd_notify(0, state.c_str());
}

}  // namespace

void notify_ready(std::string_view status) {
    send("READY=1\n" + status_line(status));
}

// In one datagram: systemd 253 and later measure the reload by the time stamp and fail it without; 252
// ignores it.
void notify_reloading() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();  // CLOCK_MONOTONIC
    send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                     std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

void notify_stopping(std::string_view status) {
    send("STOPPING=1\n" + status_line(status));
}

void notify_main_process(int64_t process) {
    send(fmt::format("MAINPID={}", process));
}

void notify_status(std::string_view status) {
    send(status_line(status));
}

void notify_extend_timeout(int64_t ms) {
    send(fmt::format("EXTEND_TIMEOUT_USEC={}", ms * 1000));
}

void notify_watchdog() {
    send("WATCHDOG=1");
}

int64_t watchdog_interval_ms() {
    uint64_t usec = 0;
    if (sd_watchdog_enabled(0, &usec) <= 0) return 0;
    return std::max<int64_t>(static_cast<int64_t>(usec / 2000), 1);
}

}  // namespace wayleave
