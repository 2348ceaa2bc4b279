// Where lines of the log are written: to the journal, to a file, or to standard error. On spdlog's thread.
// Private to this folder.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include "daemon/base/file_descriptor.h"
#include "daemon/ops/log/log.h"
#include "dsl/text/result.h"

namespace wayleave {

// Appends; made with mode 0640 if it is missing.
[[nodiscard]] Result<FileDescriptor> open_log_file(const std::string& path);

// A whole line, with its newline. False: it was not written.
bool write_to_stderr(std::string text);

// If the journal or the file is gone the line goes to standard error as text rather than nowhere.
class EventSink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    // An empty name: no file.
    EventSink(LogFormat format, const std::string& file);

    // Any thread.
    void replace_file(FileDescriptor file);
    [[nodiscard]] uint64_t unwritten() const { return unwritten_.load(std::memory_order_relaxed); }
    // How often flush_() has run; flush_log() waits for the next, at most 2 s.
    [[nodiscard]] uint64_t flushes();
    [[nodiscard]] bool wait_beyond(uint64_t before);

  private:
    void sink_it_(const spdlog::details::log_msg& message) override;
    void flush_() override;
    void write_to_file(const std::string& text);
    void tell_once(const char* what);

    const LogFormat format_;
    FileDescriptor file_;  // guarded by base_sink's mutex
    bool half_ = false;    // the last line of the file has no end
    const bool colour_;
    bool told_ = false;  // that lines go elsewhere
    std::atomic<uint64_t> unwritten_{0};
    std::mutex flush_mutex_;
    std::condition_variable flushed_;
    uint64_t flushes_ = 0;
};

}  // namespace wayleave
