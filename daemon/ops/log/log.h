// The log: structured lines, written by a thread of its own, so that a slow terminal or journal never blocks
// a worker. The one global of the program. Lines that do not fit into the queue push out the oldest and are
// counted. Thread: init_log() before other threads start; everything else from any thread. Nothing here
// throws.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dsl/text/result.h"

namespace wayleave {

enum class Level { trace, debug, info, warn, error };
enum class LogFormat { text, json, journald };

struct LogField {
    std::string_view key;  // snake_case, written by us
    std::string value;     // anything; escaped before it is written
};

// Lines that nobody can read any more, since the start.
struct LogLoss {
    uint64_t queue = 0;  // whoever reads the log is slower than the daemon writes it
    uint64_t rate = 0;   // an event came more often than it may
    uint64_t write = 0;  // neither the file of the log nor standard error took them
};

// journald if stderr is a stream of the journal, else text.
[[nodiscard]] LogFormat default_log_format();

// May be called again (after a fork, in tests); the earlier lines are written first.
void init_log(Level level, LogFormat format);
void set_log_level(Level level);  // at reload
// Until it is called with nothing, whatever the settings say.
void override_log_level(std::optional<Level> level);
[[nodiscard]] Level log_level();  // in force
// Where the lines go from the next init_log() on, instead of standard error. Error: why it cannot be written.
[[nodiscard]] Result<Nothing> set_log_file(const std::string& path);
// Opens the file of that name anew, since another program has moved the one that is written to. Error: there
// is none, or it cannot be written; the one before stays.
[[nodiscard]] Result<Nothing> reopen_log();
// Lines a second of each event about clients; others get 10.
void set_log_rate(unsigned lines);  // likewise

// `event` names the kind of line, in kebab-case. Up to warn, each event gets so many lines a second; the next
// line that passes says how many were suppressed. Before init_log() the line goes to stderr at once.
void log_event(Level level, std::string_view event, std::string_view message,
               std::initializer_list<LogField> fields = {});
// Likewise, with fields that only their event knows.
void log_own_event(Level level, std::string_view event, std::string_view message,
                   std::span<const LogField> fields);
// A line of a report that the operator has asked for, and that has a bound of its own.
void log_report(Level level, std::string_view event, std::string_view message);
// About one client.
void log_client_event(Level level, std::string_view event, std::string_view message,
                      std::span<const LogField> fields);
// About a client that the operator watches, whatever the level is.
void log_traced_event(std::string_view event, std::string_view message, std::span<const LogField> fields);

// Waits until everything logged so far is written, at most 2 s. False: the reader of the log hangs, and the
// writing thread with it; only _exit() gets past it.
bool flush_log();

[[nodiscard]] LogLoss log_lost();

// At most so many lines a second for each event.
class LogGate {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    // If it returns true, `suppressed` is the number of lines refused since the last one that passed.
    [[nodiscard]] bool pass(std::string_view event, unsigned lines, TimePoint now, uint64_t& suppressed);
    [[nodiscard]] uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

  private:
    struct Window {
        TimePoint start;
        unsigned passed = 0;
        uint64_t suppressed = 0;
    };

    std::atomic<uint64_t> refused_{0};
    std::mutex mutex_;
    std::map<std::string, Window, std::less<>>
        windows_;  // at most max_events; further events share one window
};

}  // namespace wayleave
