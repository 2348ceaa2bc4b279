#include "daemon/broker/sqlite/writer.h"

#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_batch = 4096;           // tasks in a transaction
constexpr int checkpoint_pages = 4096;        // 16 MB of the log, then it is moved into the database
constexpr int checkpoint_again_pages = 1024;  // if readers kept it from its end
constexpr int most_wal_pages = 16'384;        // then they have to wait for it
constexpr int checkpoint_wait_ms = 100;       // for readers that are no part of this daemon
constexpr int64_t remind_writer_ms = 10'000;
constexpr int64_t least_between_reports_ms = 1000;
constexpr int64_t notes_every_ms = 1000;
constexpr size_t notes_at_once = 512;
constexpr size_t overhead = 256;  // of a task beside its bytes: about

size_t size_of(const SqliteWriter::Task& task) {
    if (const auto* publish = std::get_if<SqliteWriter::Publish>(&task)) {
        const Draft& draft = publish->draft;
        return overhead + draft.channel.size() + draft.id.size() + draft.members.size() + draft.key.size() +
               draft.dedup.size();
    }
    const Cursor& cursor = std::get<SqliteWriter::Acknowledge>(task).cursor;
    return overhead + cursor.channel.size() + cursor.user.size();
}

bool for_the_disk(const SqliteWriter::Task& task) {
    const auto* publish = std::get_if<SqliteWriter::Publish>(&task);
    return publish == nullptr || needs_disk(publish->draft);
}

Ticket ticket_of(const SqliteWriter::Task& task) {
    return std::visit([](const auto& held) { return held.ticket; }, task);
}

}  // namespace

SqliteWriter::SqliteWriter(std::string path, std::unique_ptr<Database> database, AgeClock clock,
                           ChannelTable& table, DeliveredNotes& notes, Bounds bounds, BrokerReport report)
    : path_(std::move(path)),
      database_(std::move(database)),
      table_(table),
      notes_(notes),
      bounds_(bounds),
      report_(std::move(report)),
      store_(*database_, table, clock),
      next_checkpoint_(checkpoint_pages) {
    struct stat found {};
    if (stat(path_.c_str(), &found) == 0) file_ = {found.st_dev, found.st_ino};
    page_bytes_ = database_->integer("PRAGMA page_size");
    // Also keeps SQLite from making checkpoints of its own, within a commit.
    sqlite3_wal_hook(
        database_->handle(),
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<SqliteWriter*>(self)->wal_pages_ = pages;
            return SQLITE_OK;
        },
        this);
    measure();
    thread_ = std::thread([this] { loop(); });
    pthread_setname_np(thread_.native_handle(), "sqlite-writer");
}

SqliteWriter::~SqliteWriter() {
    finish();
}

void SqliteWriter::finish() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

bool SqliteWriter::add(Task task) {
    const size_t size = size_of(task);
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (stop_ || waiting_ >= bounds_.entries || waiting_bytes_ + size > bounds_.bytes) {
            ++refused_;
            return false;
        }
        wake = tasks_.empty();
        tasks_.push_back(std::move(task));
        ++waiting_;
        waiting_bytes_ += size;
    }
    if (wake) wake_.notify_one();
    return true;
}

void SqliteWriter::tick(Now now) {
    {
        const std::lock_guard lock(mutex_);
        tick_ = now;
        ticked_ = true;
    }
    wake_.notify_one();
}

SqliteWriter::Totals SqliteWriter::totals() const {
    Totals totals;
    totals.commits = commits_.get();
    totals.committed = committed_.get();
    totals.failures = failures_.get();
    totals.duplicates = duplicates_.get();
    totals.database_bytes = database_bytes_.get();
    totals.wal_bytes = wal_bytes_.get();
    totals.failing = failed_last_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    totals.refused = refused_;
    totals.waiting = waiting_;
    totals.waiting_bytes = waiting_bytes_;
    return totals;
}

void SqliteWriter::see(Now now) {
    now_.steady_ms = std::max(now_.steady_ms, now.steady_ms);
    now_.wall_ms = now.wall_ms;
}

void SqliteWriter::loop() {
    std::vector<Task> tasks;
    bool more = false;  // is left to do in the background
    for (;;) {
        bool ticked = false;
        {
            std::unique_lock lock(mutex_);
            if (!more) wake_.wait(lock, [this] { return stop_ || ticked_ || !tasks_.empty(); });
            if (stop_ && tasks_.empty()) break;
            tasks.swap(tasks_);
            ticked = std::exchange(ticked_, false);
            if (ticked) see(tick_);
        }
        size_t bytes = 0;
        for (const Task& task : tasks) bytes += size_of(task);
        for (size_t i = 0; i < tasks.size(); i += most_batch)
            write(Tasks(tasks).subspan(i, std::min(most_batch, tasks.size() - i)));
        {
            const std::lock_guard lock(mutex_);
            waiting_ -= tasks.size();
            waiting_bytes_ -= bytes;
        }
        tasks.clear();
        if (ticked || more) more = tidy();
    }
    flush_notes(SIZE_MAX);
    try {
        close_messages(*database_);
    } catch (const SqliteFault& fault) {
        failed(fault);
    }
}

// --- a batch ---

void SqliteWriter::write(Tasks tasks) {
    for (const Task& task : tasks) {
        const auto* publish = std::get_if<Publish>(&task);
        see(publish != nullptr ? publish->draft.now : std::get<Acknowledge>(task).cursor.now);
    }
    outcomes_.clear();
    try {
        store(tasks);
    } catch (const SqliteFault& fault) {
        store_.forget();
        failed(fault);
        return give_up(tasks, fault.what());
    }
    deliver(tasks);
    checkpoint();
}

void SqliteWriter::store(Tasks tasks) {
    const auto needed = static_cast<uint64_t>(std::count_if(tasks.begin(), tasks.end(), for_the_disk));
    if (needed > 0) check_file();
    std::optional<Transaction> transaction;
    if (needed > 0) transaction.emplace(*database_);
    for (const Task& task : tasks) {
        if (const auto* publish = std::get_if<Publish>(&task)) {
            Store::Stored stored = store_.publish(publish->draft);
            outcomes_.push_back({std::move(stored.receipt), std::move(stored.message), stored.at});
        } else {
            outcomes_.push_back({store_.acknowledge(std::get<Acknowledge>(task).cursor), nullptr, 0});
        }
    }
    if (!transaction) return;
    store_.settle(now_);
    transaction->commit();
    commits_.add();
    committed_.add(needed);
    worked();
}

void SqliteWriter::deliver(Tasks tasks) {
    for (size_t i = 0; i < tasks.size(); ++i) {
        Outcome& outcome = outcomes_[i];
        if (const auto* publish = std::get_if<Publish>(&tasks[i])) {
            if (outcome.message) {
                table_.accepted(outcome.message, outcome.at, publish->draft.retention.history);
            } else {
                table_.let_go(publish->draft.channel);
                duplicates_.add();
            }
        }
        const Ticket ticket = ticket_of(tasks[i]);
        table_.inbox(ticket.worker).answered(ticket.number, std::move(outcome.receipt));
    }
    outcomes_.clear();
}

// What needs no disk goes on, in its turn.
void SqliteWriter::give_up(Tasks tasks, const std::string& because) {
    for (const Task& task : tasks) {
        const Ticket ticket = ticket_of(task);
        Receipt receipt{Receipt::Status::unavailable, {}, because};
        if (const auto* publish = std::get_if<Publish>(&task)) {
            if (needs_disk(publish->draft)) {
                table_.let_go(publish->draft.channel);
            } else {
                table_.accepted(store_.publish(publish->draft).message, 0, 0);
                receipt = {};
            }
        }
        table_.inbox(ticket.worker).answered(ticket.number, std::move(receipt));
    }
}

// What is written to a file that has no name any more is lost with the process.
void SqliteWriter::check_file() const {
    struct stat found {};
    if (stat(path_.c_str(), &found) == 0 && FileId{found.st_dev, found.st_ino} == file_) return;
    throw SqliteFault(SQLITE_READONLY_DBMOVED,
                      "the database was moved or deleted while the daemon runs; put it back, or restart");
}

// --- in the background ---

bool SqliteWriter::tidy() {
    try {
        measure();
        if (now_.steady_ms - noted_ms_ >= notes_every_ms) flush_notes(notes_at_once);
        const bool more = store_.tidy(now_);
        checkpoint();
        return more;
    } catch (const SqliteFault& fault) {
        store_.forget();
        failed(fault);
        return false;
    }
}

void SqliteWriter::flush_notes(size_t most) {
    noted_ms_ = now_.steady_ms;
    const std::vector<Cursor> notes = notes_.some(most);
    if (notes.empty()) return;
    try {
        Transaction transaction(*database_);
        for (const Cursor& note : notes) store_.delivered(note);
        store_.settle(now_);
        transaction.commit();
        notes_.stored(notes);
    } catch (const SqliteFault& fault) {
        store_.forget();
        failed(fault);
    }
}

// After a batch was answered. Where it cannot be done the log grows, and fails with the disk if it must.
void SqliteWriter::checkpoint() {
    if (wal_pages_ < checkpoint_pages) next_checkpoint_ = checkpoint_pages;  // the log began anew
    if (wal_pages_ < next_checkpoint_) return;
    const bool long_ago = wal_pages_ >= most_wal_pages;
    int log = 0;
    int moved = 0;
    sqlite3_busy_timeout(database_->handle(), checkpoint_wait_ms);
    sqlite3_wal_checkpoint_v2(database_->handle(), nullptr,
                              long_ago ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &log,
                              &moved);
    sqlite3_busy_timeout(database_->handle(), busy_timeout_ms);
    next_checkpoint_ = wal_pages_ + checkpoint_again_pages;
    if (long_ago && log == 0) wal_pages_ = 0;
}

void SqliteWriter::failed(const SqliteFault& fault) {
    failures_.add();
    failed_last_.store(true, std::memory_order_relaxed);
    if (failing_ && now_.steady_ms - reported_ms_ < remind_writer_ms) return;
    failing_ = true;
    reported_ms_ = now_.steady_ms;
    report_(true, path_ + ": messages cannot be stored, and publishers are refused: " + fault.what());
}

void SqliteWriter::worked() {
    failed_last_.store(false, std::memory_order_relaxed);
    if (!failing_ || now_.steady_ms - reported_ms_ < least_between_reports_ms) return;
    failing_ = false;
    reported_ms_ = now_.steady_ms;
    report_(false, path_ + ": messages are stored again");
}

void SqliteWriter::measure() {
    database_bytes_.set(static_cast<uint64_t>(database_->integer("PRAGMA page_count") * page_bytes_));
    struct stat found {};
    wal_bytes_.set(stat((path_ + "-wal").c_str(), &found) == 0 ? static_cast<uint64_t>(found.st_size) : 0);
}

}  // namespace wayleave
