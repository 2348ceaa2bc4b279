#include "daemon/broker/sqlite/schema.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace wayleave {
namespace {

constexpr int64_t application_id = 0x77796c76;       // "wylv": the file is ours
constexpr int64_t most_checked_bytes = 64LL << 20U;  // a check reads all of it: about 0.2 s

// The first makes version 1 of an empty file; each further one leads from its version to the next. They are
// never changed once they were released.
constexpr std::array<const char*, schema_version> migrations = {R"sql(
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seed INTEGER NOT NULL,   -- of the epochs of channels that have no row
    clock INTEGER NOT NULL,  -- AgeClock at the last commit, in ms
    wall INTEGER NOT NULL,   -- ms since 1970, then
    boot TEXT NOT NULL,      -- which start of the machine that was
    unsure INTEGER NOT NULL  -- 1: a loss of power after this boot may have taken what was committed
) STRICT;
CREATE TABLE channel (
    number INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,  -- what is compared is a BLOB: peers may send NULs
    epoch INTEGER NOT NULL,
    top INTEGER NOT NULL,      -- the last offset that was given
    floor INTEGER NOT NULL,    -- messages up to here are deleted
    history INTEGER NOT NULL,  -- the retention that was heard of last
    keep INTEGER NOT NULL,
    touched INTEGER NOT NULL   -- AgeClock
) STRICT;
CREATE TABLE message (
    channel INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL,  -- AgeClock
    wall INTEGER NOT NULL,
    id TEXT NOT NULL,
    members TEXT NOT NULL,
    key TEXT NOT NULL,
    except_session INTEGER NOT NULL,
    PRIMARY KEY (channel, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE dedup (
    channel INTEGER NOT NULL,
    id BLOB NOT NULL,
    offset INTEGER NOT NULL,  -- 0: the channel was not numbered
    until INTEGER NOT NULL,   -- AgeClock
    PRIMARY KEY (channel, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedup_until ON dedup (until);
CREATE TABLE cursor (
    channel INTEGER NOT NULL,
    user BLOB NOT NULL,
    acknowledged INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    until INTEGER NOT NULL,  -- AgeClock
    PRIMARY KEY (channel, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX cursor_until ON cursor (until);
)sql"};

std::string directory_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Failure<OpenFailure> refuse(std::string text, bool may_pass = false) {
    return failure(OpenFailure{std::move(text), may_pass});
}

Failure<OpenFailure> cannot(const std::string& path, int error) {
    const std::string directory = directory_of(path);
    if (error == ENOENT)
        return refuse(path + ": the directory " + directory + " does not exist; make it, or name another");
    if (error == EACCES || error == EROFS || error == EPERM) {
        return refuse(path + ": cannot be written (" + std::strerror(error) +
                      "); the daemon's user needs read and write access to it and to " + directory);
    }
    return refuse(path + ": " + std::strerror(error), true);
}

// SQLite would make it with the umask's mode; what it makes beside it takes the mode from it.
Result<Nothing, OpenFailure> make_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return cannot(path, errno);
    struct stat found {};
    const bool regular = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    close(fd);  // before SQLite takes its locks
    if (!regular) return refuse(path + ": is not a regular file; name another");
    if (access(directory_of(path).c_str(), W_OK) != 0) return cannot(path, errno);
    return Nothing{};
}

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

void check_whole(Database& database) {
    const int64_t bytes = database.integer("PRAGMA page_count") * database.integer("PRAGMA page_size");
    if (bytes > most_checked_bytes) return;
    Statement check(database, "PRAGMA quick_check(1)");
    if (check.step() && check.text(0) != "ok")
        throw SqliteFault(SQLITE_CORRUPT, sqlite_because(SQLITE_CORRUPT, check.text(0)));
}

// `version` before which a change of the schema is made is that of the file.
void migrate(Database& database, int64_t version) {
    for (; version < schema_version; ++version) {
        Transaction transaction(database);
        database.run(migrations.at(static_cast<size_t>(version)));
        if (version == 0) {
            const std::string seed = std::to_string(static_cast<int64_t>(random_seed()));
            database.run(("INSERT INTO state VALUES (1, " + seed + ", 0, 0, '', 0)").c_str());
            database.run(("PRAGMA application_id = " + std::to_string(application_id)).c_str());
        }
        database.run(("PRAGMA user_version = " + std::to_string(version + 1)).c_str());
        transaction.commit();
    }
}

// Offsets that were answered may be lost, and be given to other messages: a new numbering says so. What is
// left is a state as it was at some commit, so the messages and cursors in it hold.
void renew_epochs(Database& database) {
    Statement(database, "UPDATE state SET seed = ?").with(random_seed()).run();
    database.run("UPDATE channel SET epoch = (random() & 281474976710655) | 1");
}

Result<int64_t, OpenFailure> version_of(Database& database, const std::string& path) {
    const int64_t version = database.integer("PRAGMA user_version");
    const bool empty = database.integer("SELECT count(*) FROM sqlite_schema") == 0;
    if (empty) return 0;
    if (database.integer("PRAGMA application_id") != application_id) {
        return refuse(path + ": is a database of another program; name another file");
    }
    if (version > schema_version) {
        return refuse(path + ": was written by a newer wayleave (version " + std::to_string(version) +
                      " of the file, and this one knows " + std::to_string(schema_version) +
                      "); start that one, or name another file");
    }
    return version;
}

// SQLite treats a file at its bound as it treats a full disk. One that is larger already does not grow.
void bound_file(Database& database, size_t most_bytes) {
    const auto page = static_cast<size_t>(database.integer("PRAGMA page_size"));
    const std::string pages = std::to_string(std::max<size_t>(1, most_bytes / page));
    database.run(("PRAGMA max_page_count = " + pages).c_str());
}

AgeClock take_over(Database& database, bool full, Now now) {
    const std::string boot = boot_id();
    Transaction transaction(database);
    AgeClock clock;
    bool lost = false;
    {
        Statement state(database, "SELECT clock, wall, boot, unsure FROM state");
        if (!state.step()) throw SqliteFault(SQLITE_CORRUPT, "the database is corrupt: its state is missing");
        clock = state.integer(1) == 0 ? AgeClock(state.integer(0), now.wall_ms, now)
                                      : AgeClock(state.integer(0), state.integer(1), now);
        lost = state.integer(3) != 0 && (boot.empty() || state.text(2) != boot);
    }
    if (lost) renew_epochs(database);
    Statement(database, "UPDATE state SET clock = ?, wall = ?, boot = ?, unsure = ?")
        .with(clock.at(now), now.wall_ms, boot, int64_t{full ? 0 : 1})
        .run();
    transaction.commit();
    return clock;
}

}  // namespace

Result<FileLock, OpenFailure> FileLock::take(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return cannot(path, errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        close(fd);
        if (error != EWOULDBLOCK) return cannot(path, error);
        return refuse(path + ": another wayleave works on this database; stop it, or give each its own",
                      true);
    }
    return FileLock(fd);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
    if (fd_ >= 0) close(fd_);
}

Result<Opened, OpenFailure> open_messages(const std::string& path, bool full, size_t most_bytes, Now now) {
    if (auto made = make_file(path); !made) return failure(OpenFailure(made.error()));
    try {
        auto writer = std::make_unique<Database>(path, Database::Mode::write);
        auto version = version_of(*writer, path);
        if (!version) return failure(OpenFailure(version.error()));
        check_whole(*writer);
        if (*version == 0) writer->run("PRAGMA auto_vacuum = INCREMENTAL");  // before the first table
        writer->run("PRAGMA journal_mode = WAL");
        writer->run("PRAGMA synchronous = FULL");
        migrate(*writer, *version);
        const AgeClock clock = take_over(*writer, full, now);
        // That the log may be lost from now on must not be lost with it.
        sqlite3_wal_checkpoint_v2(writer->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        if (!full) writer->run("PRAGMA synchronous = NORMAL");
        if (most_bytes > 0) bound_file(*writer, most_bytes);
        return Opened{std::move(writer), clock};
    } catch (const SqliteFault& fault) {
        const int kind = fault.code() & 0xff;
        return refuse(path + ": " + fault.what(), kind != SQLITE_NOTADB && kind != SQLITE_CORRUPT);
    }
}

void close_messages(Database& writer) {
    sqlite3_wal_checkpoint_v2(writer.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    writer.run("PRAGMA synchronous = FULL");
    writer.run("UPDATE state SET unsure = 0");
}

}  // namespace wayleave
