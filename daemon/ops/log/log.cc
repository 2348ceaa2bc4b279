#include "daemon/ops/log/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>

#include "daemon/ops/log/format.h"
#include "daemon/ops/log/sink.h"

namespace wayleave {

namespace {

constexpr size_t queue_lines = 8192;
constexpr unsigned own_lines = 10;  // a second
constexpr unsigned client_lines = 200;
constexpr unsigned report_lines = 10'000;
constexpr size_t max_events = 256;

spdlog::level::level_enum spdlog_level(Level level) {
    switch (level) {
        case Level::trace: return spdlog::level::trace;
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warn: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

struct Log {
    LogGate gate;
    std::atomic<Level> level{Level::info};  // of the settings
    std::atomic<int> override_level{-1};    // of an operator, for a while; -1: none
    std::atomic<unsigned> client_lines{wayleave::client_lines};
    std::string file;  // empty: standard error or the journal
    std::shared_ptr<EventSink> sink;
    std::shared_ptr<spdlog::async_logger> logger;
    // Goes first: its destructor writes what is queued and joins its thread. Each queued line holds the
    // logger, which must not end on that thread.
    std::shared_ptr<spdlog::details::thread_pool> pool;
};

// Made at first use, so that no static constructor runs before main().
Log& the_log() {
    static Log log;
    return log;
}

void write_event(Log& log, Level level, std::string_view event, std::string_view message,
                 std::span<const LogField> fields, unsigned lines) {
    uint64_t suppressed = 0;
    if (level != Level::error && !log.gate.pass(event, lines, std::chrono::steady_clock::now(), suppressed))
        return;
    const std::string packed = pack_line(event, message, fields, suppressed);
    if (log.logger) {
        log.logger->log(spdlog_level(level), spdlog::string_view_t(packed.data(), packed.size()));
        return;
    }
    LogLine line = unpack_line(packed);
    line.time = std::chrono::system_clock::now();
    line.level = level;
    write_to_stderr(format_text(line, false));
}

Level least_level(const Log& log) {
    const int over = log.override_level.load(std::memory_order_relaxed);
    return over >= 0 ? static_cast<Level>(over) : log.level.load(std::memory_order_relaxed);
}

// Whatever its level is.
void write_line(Level level, std::string_view event, std::string_view message,
                std::span<const LogField> fields, unsigned lines) {
    try {
        write_event(the_log(), level, event, message, fields, lines);
    } catch (...) {
        // Out of memory: losing a line is better than losing the connection that wanted it.
    }
}

void log_line(Level level, std::string_view event, std::string_view message, std::span<const LogField> fields,
              unsigned lines) {
    const auto& log = the_log();
    if (log.logger && level < least_level(log)) return;
    write_line(level, event, message, fields, lines);
}

}  // namespace

LogFormat default_log_format() {
    struct stat info {};
    const char* stream = std::getenv("JOURNAL_STREAM");  // "device:inode" of the journal's stream
    if (stream == nullptr || fstat(STDERR_FILENO, &info) != 0) return LogFormat::text;
    const std::string own = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
    return own == stream ? LogFormat::journald : LogFormat::text;
}

void init_log(Level level, LogFormat format) {
    auto& log = the_log();
    (void)flush_log();
    log.pool.reset();
    log.logger.reset();
    log.sink = std::make_shared<EventSink>(format, log.file);
    log.pool = std::make_shared<spdlog::details::thread_pool>(queue_lines, 1);
    log.logger = std::make_shared<spdlog::async_logger>("wayleave", log.sink, log.pool,
                                                        spdlog::async_overflow_policy::overrun_oldest);
    log.logger->set_level(spdlog::level::trace);  // what is written is decided here, see least_level()
    set_log_level(level);
}

Result<Nothing> set_log_file(const std::string& path) {
    if (auto opened = open_log_file(path); !opened) return failure(opened.error());
    the_log().file = path;
    return Nothing{};
}

Result<Nothing> reopen_log() {
    auto& log = the_log();
    if (log.file.empty()) return failure(std::string("log.file is not set: the log is not a file"));
    auto opened = open_log_file(log.file);
    if (!opened) return failure(opened.error());
    if (log.sink) log.sink->replace_file(std::move(*opened));
    log_event(Level::info, "log-reopened", "the file of the log was opened anew");
    return Nothing{};
}

void set_log_level(Level level) {
    the_log().level.store(level, std::memory_order_relaxed);
}

void override_log_level(std::optional<Level> level) {
    the_log().override_level.store(level ? static_cast<int>(*level) : -1, std::memory_order_relaxed);
}

Level log_level() {
    return least_level(the_log());
}

void log_event(Level level, std::string_view event, std::string_view message,
               std::initializer_list<LogField> fields) {
    log_line(level, event, message, {fields.begin(), fields.size()}, own_lines);
}

void log_own_event(Level level, std::string_view event, std::string_view message,
                   std::span<const LogField> fields) {
    log_line(level, event, message, fields, own_lines);
}

void log_report(Level level, std::string_view event, std::string_view message) {
    log_line(level, event, message, {}, report_lines);
}

void log_client_event(Level level, std::string_view event, std::string_view message,
                      std::span<const LogField> fields) {
    log_line(level, event, message, fields, the_log().client_lines.load(std::memory_order_relaxed));
}

void log_traced_event(std::string_view event, std::string_view message, std::span<const LogField> fields) {
    write_line(Level::debug, event, message, fields, the_log().client_lines.load(std::memory_order_relaxed));
}

bool flush_log() {
    auto& log = the_log();
    if (!log.logger) return true;
    const uint64_t before = log.sink->flushes();
    log.logger->flush();
    return log.sink->wait_beyond(before);
}

void set_log_rate(unsigned lines) {
    the_log().client_lines.store(lines, std::memory_order_relaxed);
}

LogLoss log_lost() {
    const auto& log = the_log();
    return {log.pool ? log.pool->overrun_counter() : 0, log.gate.refused(),
            log.sink ? log.sink->unwritten() : 0};
}

bool LogGate::pass(std::string_view event, unsigned lines, TimePoint now, uint64_t& suppressed) {
    const std::lock_guard lock(mutex_);
    auto found = windows_.find(event);
    if (found == windows_.end()) {
        // Event ids are constants of ours, so the bound is only reached by a bug; then they share a window.
        const std::string_view name = windows_.size() < max_events ? event : std::string_view();
        found = windows_.try_emplace(std::string(name), Window{now, 0, 0}).first;
    }
    Window& window = found->second;
    if (now - window.start >= std::chrono::seconds(1)) {
        window.start = now;
        window.passed = 0;
    }
    suppressed = 0;
    if (window.passed >= lines) {
        ++window.suppressed;
        refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    ++window.passed;
    std::swap(suppressed, window.suppressed);
    return true;
}

}  // namespace wayleave
