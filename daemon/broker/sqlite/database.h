// A connection to an SQLite database, and its prepared statements. One thread each.
//
// Here, and only in the files sqlite_*, a failed call throws SqliteFault: a batch is a hundred calls of which
// each may fail in the same few ways, and all of them end in one rollback. The writer and the reader catch it
// around each transaction; it never leaves them.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace wayleave {

// For another program's write: longer than any of a well-behaved one.
inline constexpr int busy_timeout_ms = 1000;

class SqliteFault : public std::runtime_error {
  public:
    // `because` is a sentence for the operator, without a full stop.
    SqliteFault(int code_in, const std::string& because) : std::runtime_error(because), code_(code_in) {}
    [[nodiscard]] int code() const { return code_; }  // SQLite's, extended

  private:
    int code_;
};

// What an operator has to know of an SQLite result: what it is and, where there is one, the remedy.
[[nodiscard]] std::string sqlite_because(int code, std::string_view detail);

class Database {
  public:
    enum class Mode { write, read };

    Database(const std::string& path, Mode mode);

    void run(const char* sql);                       // one statement or several, without rows
    [[nodiscard]] int64_t integer(const char* sql);  // the first column of the first row
    [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
    void roll_back() noexcept;
    [[nodiscard]] sqlite3* handle() const { return handle_.get(); }
    [[noreturn]] void fail(int code) const;

  private:
    struct Close {
        void operator()(sqlite3* handle) const { sqlite3_close(handle); }
    };

    std::unique_ptr<sqlite3, Close> handle_;
};

// Ended by its destructor: rolled back unless it was committed.
class Transaction {
  public:
    explicit Transaction(Database& database, const char* begin = "BEGIN IMMEDIATE") : database_(database) {
        database_.run(begin);
    }
    ~Transaction() { database_.roll_back(); }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit() { database_.run("COMMIT"); }

  private:
    Database& database_;
};

// Bytes to compare: SQLite promises nothing about text with NULs in it.
struct Exact {
    std::string_view bytes;
};

// Text that is bound has to live until the statement is reset.
class Statement {
  public:
    Statement(Database& database, std::string_view sql);

    // Parameters in their order; from the start again.
    template <class... Values>
    Statement& with(const Values&... values) {
        reset();
        int index = 0;
        (bind(++index, values), ...);
        return *this;
    }
    bool step();  // true: there is a row
    void run() {  // for its effect
        step();
        reset();
    }
    void reset() noexcept { sqlite3_reset(handle_.get()); }

    [[nodiscard]] int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
    [[nodiscard]] uint64_t number(int column) const { return static_cast<uint64_t>(integer(column)); }
    [[nodiscard]] std::string_view text(int column) const;  // until the next step

  private:
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
    };

    void bind(int index, int64_t value);
    void bind(int index, uint64_t value) { bind(index, static_cast<int64_t>(value)); }
    void bind(int index, std::string_view text);
    void bind(int index, Exact exact);
    void bind(int index, const std::string& text) { bind(index, std::string_view(text)); }

    Database& database_;
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

// An open statement holds its read transaction open: this resets it on every way out.
class Rows {
  public:
    explicit Rows(Statement& statement) : statement_(statement) {}
    ~Rows() { statement_.reset(); }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    bool next() { return statement_.step(); }
    Statement* operator->() { return &statement_; }

  private:
    Statement& statement_;
};

}  // namespace wayleave
