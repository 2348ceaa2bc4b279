// What the service manager is told (sd_notify(3)); nothing happens where there is none. Main thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace wayleave {

void notify_ready(std::string_view status);
void notify_reloading();  // followed by notify_ready(), also when the reload failed
void notify_stopping(std::string_view status);
// Another process is the service from now on; by number.
void notify_main_process(int64_t process);
void notify_status(std::string_view status);
void notify_extend_timeout(int64_t ms);
void notify_watchdog();

// How often notify_watchdog() is expected, halved for safety; 0: not at all.
[[nodiscard]] int64_t watchdog_interval_ms();

}  // namespace wayleave
