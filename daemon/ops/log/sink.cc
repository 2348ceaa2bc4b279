#include "daemon/ops/log/sink.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ops/log/format.h"

namespace wayleave {

namespace {

constexpr auto flush_wait = std::chrono::seconds(2);

// How many bytes were written; less than there are: the rest will not be.
size_t write_all(int fd, std::string_view text) {
    size_t done = 0;
    while (done < text.size()) {
        const ssize_t count = write(fd, text.data() + done, text.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += static_cast<size_t>(count);
    }
    return done;
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

}  // namespace

Result<FileDescriptor> open_log_file(const std::string& path) {
    constexpr mode_t mode = 0640;
    FileDescriptor file(
        open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode));
    if (!file.open())
        return failure(path + ": " + std::strerror(errno) +
                       "; check log.file and who may write to its directory");
    return file;
}

bool write_to_stderr(std::string text) {
    text += '\n';
    return write_all(STDERR_FILENO, text) == text.size();
}

EventSink::EventSink(LogFormat format, const std::string& file)
    : format_(format), colour_(file.empty() && isatty(STDERR_FILENO) == 1) {
    if (file.empty()) return;
    if (auto opened = open_log_file(file)) file_ = std::move(*opened);
}

void EventSink::replace_file(FileDescriptor file) {
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
    half_ = false;
    told_ = false;
}

uint64_t EventSink::flushes() {
    const std::lock_guard lock(flush_mutex_);
    return flushes_;
}

bool EventSink::wait_beyond(uint64_t before) {
    std::unique_lock lock(flush_mutex_);
    return flushed_.wait_for(lock, flush_wait, [&] { return flushes_ > before; });
}

void EventSink::sink_it_(const spdlog::details::log_msg& message) {
    LogLine line = unpack_line({message.payload.data(), message.payload.size()});
    line.time = message.time;
    line.level = level_of(message.level);
    if (format_ == LogFormat::journald && !file_.open()) {
        if (send_to_journal(line)) return;
        tell_once("wayleave: the journal does not take lines of the log; they are written here instead");
    }
    const std::string text = format_ == LogFormat::json ? format_json(line) : format_text(line, colour_);
    if (file_.open()) return write_to_file(text);
    if (!write_to_stderr(text)) unwritten_.fetch_add(1, std::memory_order_relaxed);
}

// A full disk may be emptied: the next line is tried again, and begins a line of its own.
void EventSink::write_to_file(const std::string& text) {
    const std::string whole = (half_ ? "\n" : "") + text + "\n";
    const size_t done = write_all(file_.get(), whole);
    if (done == whole.size()) {
        half_ = false;
        if (std::exchange(told_, false))
            (void)write_to_stderr("wayleave: the file of the log takes lines again");
        return;
    }
    if (done > 0) half_ = true;
    tell_once(
        "wayleave: the file of the log cannot be written; is its disk full? Its lines are written here "
        "instead");
    if (!write_to_stderr(text)) unwritten_.fetch_add(1, std::memory_order_relaxed);
}

void EventSink::tell_once(const char* what) {
    if (!std::exchange(told_, true)) (void)write_to_stderr(what);
}

void EventSink::flush_() {
    const std::lock_guard lock(flush_mutex_);
    ++flushes_;
    flushed_.notify_all();
}

}  // namespace wayleave
