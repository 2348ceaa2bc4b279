#include "daemon/notify/notice_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

namespace wayleave {
namespace {

constexpr const char* schema = R"(
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT, backend TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL,
    body TEXT NOT NULL, session INTEGER NOT NULL, user TEXT NOT NULL, last INTEGER NOT NULL,
    delay_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    run INTEGER NOT NULL, worker INTEGER NOT NULL, place INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS notices_of ON notices (backend, id);
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, backend TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    user TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
)";

uint64_t random_run() {
    std::random_device dice;
    return uint64_t{dice()} << 31U ^ dice();
}

// Before SQLite does, which asks nobody about the mode.
Result<Nothing> make_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return failure(path + ": " + std::strerror(errno));
    ::close(file);
    return Nothing{};
}

}  // namespace

NoticeStore::NoticeStore(const std::string& path)
    : run_(random_run()),
      database_((Database(path, Database::Mode::write).run(schema), path), Database::Mode::write),
      add_(database_,
           "INSERT INTO notices "
           "(backend, path, name, body, session, user, last, delay_ms, at_ms, run, worker, place) "
           "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"),
      remove_(database_, "DELETE FROM notices WHERE id = ?"),
      remember_(database_, "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)"),
      forget_(database_, "DELETE FROM sessions WHERE id = ?"),
      load_(database_,
            "SELECT id, path, name, body, session, user, last, delay_ms, at_ms, run, worker, place FROM "
            "notices "
            "WHERE backend = ? AND id > ? ORDER BY id LIMIT ?") {}

Result<std::unique_ptr<NoticeStore>> NoticeStore::open(const std::string& path, bool full_sync) {
    if (auto made = make_file(path); !made) return failure(made.error());
    try {
        std::unique_ptr<NoticeStore> store(new NoticeStore(path));
        store->database_.run(full_sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        return store;
    } catch (const SqliteFault& fault) {
        return failure(path + ": " + fault.what());
    }
}

int64_t NoticeStore::add(const Notice& notice) {
    add_.with(notice.backend, notice.path, notice.id, notice.body, notice.session, notice.user,
              int64_t{notice.last}, notice.delay_ms, notice.at_ms, run_, int64_t{notice.worker},
              uint64_t{notice.from.generation} << 32U | notice.from.index);
    const Rows rows(add_);
    add_.step();
    return add_.integer(0);
}

void NoticeStore::remove(int64_t row) {
    remove_.with(row).run();
}

void NoticeStore::remember(uint64_t session, const Notice& lost) {
    remember_.with(session, lost.backend, lost.path, lost.id, lost.body, lost.user, lost.at_ms).run();
}

void NoticeStore::forget(uint64_t session) {
    forget_.with(session).run();
}

std::vector<Notice> NoticeStore::sessions() {
    std::vector<Notice> out;
    Statement all(database_, "SELECT id, backend, path, name, body, user, at_ms FROM sessions");
    for (Rows rows(all); rows.next();) {
        Notice& notice = out.emplace_back();
        notice.session = rows->number(0);
        notice.backend = rows->text(1);
        notice.path = rows->text(2);
        notice.id = rows->text(3);
        notice.body = rows->text(4);
        notice.user = rows->text(5);
        notice.at_ms = rows->integer(6);
        notice.last = true;
    }
    return out;
}

void NoticeStore::forget_sessions() {
    database_.run("DELETE FROM sessions");
}

std::vector<NoticeStore::Kept> NoticeStore::load(const std::string& backend, int64_t after, size_t most) {
    std::vector<Kept> out;
    load_.with(backend, after, static_cast<int64_t>(most));
    for (Rows rows(load_); rows.next();) {
        Kept& kept = out.emplace_back();
        kept.row = rows->integer(0);
        kept.notice.backend = backend;
        kept.notice.path = rows->text(1);
        kept.notice.id = rows->text(2);
        kept.notice.body = rows->text(3);
        kept.notice.session = rows->number(4);
        kept.notice.user = rows->text(5);
        kept.notice.last = rows->integer(6) != 0;
        kept.notice.delay_ms = rows->integer(7);
        kept.notice.at_ms = rows->integer(8);
        if (rows->number(9) != run_) continue;  // the workers of another daemon
        kept.notice.worker = static_cast<uint32_t>(rows->number(10));
        kept.notice.from = {static_cast<uint32_t>(rows->number(11)),
                            static_cast<uint32_t>(rows->number(11) >> 32U)};
    }
    return out;
}

std::vector<std::pair<std::string, size_t>> NoticeStore::backends() {
    std::vector<std::pair<std::string, size_t>> out;
    Statement all(database_, "SELECT backend, count(*) FROM notices GROUP BY backend");
    for (Rows rows(all); rows.next();) out.emplace_back(rows->text(0), rows->number(1));
    return out;
}

}  // namespace wayleave
