#include "daemon/ops/log/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <memory>

#include "daemon/ops/log/format.h"

namespace wayleave {

namespace {

constexpr size_t queue_lines = 8192;
constexpr unsigned own_lines = 10;  // a second
constexpr unsigned client_lines = 200;
constexpr unsigned report_lines = 10'000;
constexpr size_t max_events = 256;
constexpr auto flush_wait = std::chrono::seconds(2);

void write_stderr(std::string text) {
    text += '\n';
    std::string_view rest = text;
    while (!rest.empty()) {
        const ssize_t count = write(STDERR_FILENO, rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;  // nowhere to complain to
        rest.remove_prefix(static_cast<size_t>(count));
    }
}

// libsystemd takes it for a success that nobody is there.
bool has_journal() {
    return access("/run/systemd/journal/socket", F_OK) == 0;
}

bool send_to_journal(const LogLine& line) {
    if (!has_journal()) return false;
    auto entries = format_journal(line);
    std::vector<iovec> parts;
    parts.reserve(entries.size());
    for (auto& entry : entries) parts.push_back({entry.data(), entry.size()});
    return sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) >= 0;
}

Level level_of(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::trace: return Level::trace;
        case spdlog::level::debug: return Level::debug;
        case spdlog::level::info: return Level::info;
        case spdlog::level::warn: return Level::warn;
        default: return Level::error;
    }
}

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

// Writes on spdlog's thread. If the journal is gone the line goes to stderr as text rather than nowhere.
class EventSink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    explicit EventSink(LogFormat format) : format_(format), colour_(isatty(STDERR_FILENO) == 1) {}

    // How often flush_() has run; flush_log() waits for the next.
    uint64_t flushes() {
        const std::lock_guard lock(flush_mutex_);
        return flushes_;
    }
    [[nodiscard]] bool wait_beyond(uint64_t before) {
        std::unique_lock lock(flush_mutex_);
        return flushed_.wait_for(lock, flush_wait, [&] { return flushes_ > before; });
    }

  private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        LogLine line = unpack_line({message.payload.data(), message.payload.size()});
        line.time = message.time;
        line.level = level_of(message.level);
        if (format_ == LogFormat::journald && send_to_journal(line)) return;
        if (format_ == LogFormat::journald && !told_) {
            told_ = true;
            write_stderr(
                "wayleave: the journal does not take lines of the log; they are written here instead");
        }
        write_stderr(format_ == LogFormat::json ? format_json(line) : format_text(line, colour_));
    }

    void flush_() override {
        const std::lock_guard lock(flush_mutex_);
        ++flushes_;
        flushed_.notify_all();
    }

    const LogFormat format_;
    const bool colour_;
    bool told_ = false;  // that the journal is missing
    std::mutex flush_mutex_;
    std::condition_variable flushed_;
    uint64_t flushes_ = 0;
};

struct Log {
    LogGate gate;
    std::atomic<unsigned> client_lines{wayleave::client_lines};
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
    write_stderr(format_text(line, false));
}

void log_line(Level level, std::string_view event, std::string_view message, std::span<const LogField> fields,
              unsigned lines) {
    auto& log = the_log();
    if (log.logger && !log.logger->should_log(spdlog_level(level))) return;
    try {
        write_event(log, level, event, message, fields, lines);
    } catch (...) {
        // Out of memory: losing a line is better than losing the connection that wanted it.
    }
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
    log.sink = std::make_shared<EventSink>(format);
    log.pool = std::make_shared<spdlog::details::thread_pool>(queue_lines, 1);
    log.logger = std::make_shared<spdlog::async_logger>("wayleave", log.sink, log.pool,
                                                        spdlog::async_overflow_policy::overrun_oldest);
    log.logger->set_level(spdlog_level(level));
}

void set_log_level(Level level) {
    if (auto& log = the_log(); log.logger) log.logger->set_level(spdlog_level(level));
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
    return {log.pool ? log.pool->overrun_counter() : 0, log.gate.refused()};
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
