// The file of an SqliteBroker: made, checked, brought to the present version and held against other daemons.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/base/now.h"
#include "daemon/broker/age_clock.h"
#include "daemon/broker/epoch.h"
#include "daemon/broker/sqlite/database.h"
#include "dsl/text/result.h"

namespace wayleave {

inline constexpr int64_t schema_version = 1;

// Why a database cannot be used.
struct OpenFailure {
    std::string text;       // what is wrong with which file, and the remedy
    bool may_pass = false;  // it may be tried again as it is
};

// Held as long as it lives, against other processes and other brokers of this one. A file beside the
// database: a descriptor of the database itself, when it is closed, would drop SQLite's own locks.
class FileLock {
  public:
    static Result<FileLock, OpenFailure> take(const std::string& path);
    ~FileLock();
    FileLock(FileLock&& other) noexcept;
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

  private:
    explicit FileLock(int fd) : fd_(fd) {}
    int fd_;
};

// What is known once the file is open.
struct Opened {
    std::unique_ptr<Database> writer;
    AgeClock clock;
};

// Blocking. `full`: each commit survives a loss of power; else only the death of the process. `most_bytes` of
// the file; 0: no bound.
Result<Opened, OpenFailure> open_messages(const std::string& path, bool full, size_t most_bytes, Now now);

// Everything that was committed is in the file itself, and safe.
void close_messages(Database& writer);

}  // namespace wayleave
