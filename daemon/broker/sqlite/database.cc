#include "daemon/broker/sqlite/database.h"

#include <cerrno>
#include <cstring>

namespace wayleave {
namespace {

std::string_view what_it_is(int code) {
    switch (code & 0xff) {
        case SQLITE_FULL: return "the disk, or broker.max_database, is full";
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return "another program holds a lock on the database";
        case SQLITE_READONLY: return "the database is read-only";
        case SQLITE_IOERR: return "the disk failed to read or write";
        case SQLITE_CORRUPT:
            return "the database is corrupt; stop the daemon and restore it from a backup, or "
                   "try `sqlite3 FILE .recover`";
        case SQLITE_NOTADB: return "the file is not an SQLite database; move it away or name another";
        case SQLITE_CANTOPEN: return "the database cannot be opened";
        case SQLITE_PERM:
        case SQLITE_AUTH: return "the database may not be accessed";
        case SQLITE_NOMEM: return "there is no memory left";
        case SQLITE_TOOBIG: return "the message is larger than the database allows";
        default: return "the database failed";
    }
}

}  // namespace

std::string sqlite_because(int code, std::string_view detail) {
    std::string text(what_it_is(code));
    text += " (SQLite: ";
    text += detail.empty() ? std::string_view(sqlite3_errstr(code)) : detail;
    return text += ')';
}

Database::Database(const std::string& path, Mode mode) {
    // No mutexes of SQLite's own: a connection has one thread.
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                      (mode == Mode::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) fail(code);
    sqlite3_busy_timeout(handle, busy_timeout_ms);
}

void Database::fail(int code) const {
    std::string detail = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
    const int reason = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
    const bool of_the_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    if (of_the_system && reason != 0) detail.append(": ").append(std::strerror(reason));
    throw SqliteFault(code, sqlite_because(code, detail));
}

void Database::run(const char* sql) {
    if (const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr); code != SQLITE_OK)
        fail(code);
}

int64_t Database::integer(const char* sql) {
    Statement statement(*this, sql);
    return statement.step() ? statement.integer(0) : 0;
}

// SQLite has rolled back by itself after some errors.
void Database::roll_back() noexcept {
    if (in_transaction()) sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) database.fail(code);
}

bool Statement::step() {
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    try {
        database_.fail(code);
    } catch (const SqliteFault&) {
        reset();  // after the message was read
        throw;
    }
}

std::string_view Statement::text(int column) const {
    const void* bytes = sqlite3_column_blob(handle_.get(), column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column));
    return bytes == nullptr ? std::string_view{} : std::string_view(static_cast<const char*>(bytes), size);
}

void Statement::bind(int index, int64_t value) {
    if (const int code = sqlite3_bind_int64(handle_.get(), index, value); code != SQLITE_OK)
        database_.fail(code);
}

void Statement::bind(int index, Exact exact) {
    const char* bytes = exact.bytes.data() == nullptr ? "" : exact.bytes.data();
    const int code = sqlite3_bind_blob64(handle_.get(), index, bytes, exact.bytes.size(), SQLITE_STATIC);
    if (code != SQLITE_OK) database_.fail(code);
}

void Statement::bind(int index, std::string_view text) {
    const char* bytes = text.data() == nullptr ? "" : text.data();
    const int code =
        sqlite3_bind_text64(handle_.get(), index, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK) database_.fail(code);
}

}  // namespace wayleave
