#include "daemon/broker/sqlite/reader.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "daemon/broker/page.h"
#include "daemon/broker/sqlite/schema.h"

namespace wayleave {
namespace {

constexpr int64_t remind_reader_ms = 60'000;

#define WAYLEAVE_MESSAGE "offset, at, wall, id, members, key, except_session"

Publication message_of_row(const Statement& row, const std::string& channel, uint64_t epoch,
                           int64_t started) {
    const Position position{epoch, row.number(0)};
    auto message =
        std::make_shared<Message>(channel, position, Body{row.text(3), row.integer(2), row.text(4)});
    message->key = row.text(5);
    // A session of an earlier process: its number may be another's now.
    message->except = row.integer(1) < started ? 0 : row.number(6);
    return message;
}

}  // namespace

SqliteReader::SqliteReader(const std::string& path, AgeClock clock, ChannelTable& table,
                           const DeliveredNotes& notes, size_t most_waiting, BrokerReport report)
    : database_(path, Database::Mode::read),
      clock_(clock),
      table_(table),
      notes_(notes),
      report_(std::move(report)),
      seed_(database_, "SELECT seed FROM state"),
      channel_(database_, "SELECT number, epoch, top, floor FROM channel WHERE name = ?"),
      oldest_(database_,
              "SELECT offset FROM message WHERE channel = ? AND offset > ? AND at > ?"
              " ORDER BY offset LIMIT 1"),
      cursor_(database_, "SELECT acknowledged, delivered FROM cursor WHERE channel = ? AND user = ?"),
      upwards_(database_, "SELECT " WAYLEAVE_MESSAGE
                          " FROM message WHERE channel = ? AND offset >= ? ORDER BY offset LIMIT ?"),
      downwards_(database_, "SELECT " WAYLEAVE_MESSAGE
                            " FROM message WHERE channel = ? AND offset <= ? ORDER BY offset DESC LIMIT ?"),
      tasks_(most_waiting) {
    thread_ = std::thread([this] { loop(); });
    pthread_setname_np(thread_.native_handle(), "sqlite-reader");
}

SqliteReader::~SqliteReader() {
    finish();
}

void SqliteReader::finish() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

bool SqliteReader::add(Task task) {
    {
        const std::lock_guard lock(mutex_);
        const uint64_t client = std::visit([](const auto& held) { return held.ticket.client; }, task);
        if (stop_ || !tasks_.add(client, std::move(task))) return false;
    }
    wake_.notify_one();
    return true;
}

void SqliteReader::loop() {
    for (;;) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stop_ || tasks_.size() > 0; });
        if (tasks_.size() == 0) return;
        const Task task = tasks_.take();
        lock.unlock();
        std::visit([this](const auto& held) { answer(held); }, task);
    }
}

// Each in a transaction of its own, which is short: checkpoints wait for the end of all that see the log.
void SqliteReader::answer(const Read& read) {
    Page page;
    try {
        const Transaction snapshot(database_, "BEGIN");
        page = this->page(read.query);
        table_.learnt(read.query.channel, page.top);
        failing_.store(false, std::memory_order_relaxed);
    } catch (const SqliteFault& fault) {
        table_.given_up(read.query.channel);
        page = {};
        page.because = fault.what();
        failed(fault, read.query.now);
    }
    table_.inbox(read.ticket.worker).answered(read.ticket.number, std::move(page));
}

void SqliteReader::answer(const Ask& ask) {
    Progress progress;
    try {
        const Transaction snapshot(database_, "BEGIN");
        progress = this->progress(ask.cursor);
    } catch (const SqliteFault& fault) {
        progress.because = fault.what();
        failed(fault, ask.cursor.now);
    }
    table_.inbox(ask.ticket.worker).answered(ask.ticket.number, std::move(progress));
}

// The client that asked is told; so is the operator, who would not hear of it from publishers.
void SqliteReader::failed(const SqliteFault& fault, Now now) {
    failures_.fetch_add(1, std::memory_order_relaxed);
    failing_.store(true, std::memory_order_relaxed);
    if (now.steady_ms - reported_ms_ < remind_reader_ms) return;
    reported_ms_ = now.steady_ms;
    report_(true, std::string("messages cannot be read: ") + fault.what());
}

SqliteReader::Found SqliteReader::find(const std::string& channel) {
    Found found;
    Rows row(channel_.with(Exact{channel}));
    if (row.next()) {
        found.number = row->integer(0);
        found.extent.top = {row->number(1), row->number(2)};
        found.floor = row->number(3);
    } else {
        Rows seed(seed_.with());
        if (!seed.next()) database_.fail(SQLITE_CORRUPT);
        found.extent.top = table_.told(channel).value_or(Position{epoch_of(seed->number(0), channel), 0});
        found.floor = found.extent.top.offset;
    }
    found.extent.oldest = found.floor + 1;
    return found;
}

// To what the retention leaves, whether or not the writer has removed the rest yet.
void SqliteReader::narrow(Found& found, const Query& query) {
    Extent& extent = found.extent;
    uint64_t before = found.floor;
    if (const uint64_t top = extent.top.offset; top - before > query.retention.history) {
        before = top - query.retention.history;
    }
    Rows oldest(oldest_.with(found.number, before, clock_.at(query.now) - query.retention.keep_ms));
    extent.oldest = oldest.next() ? oldest->number(0) : extent.top.offset + 1;
}

Page SqliteReader::page(const Query& query) {
    Found found = find(query.channel);
    narrow(found, query);
    if (!query.user.empty() && found.number != 0) {
        Rows cursor(cursor_.with(found.number, Exact{query.user}));
        if (cursor.next()) found.extent.cursor = cursor->number(0);
        found.extent.has_cursor = found.extent.cursor > 0;
    }
    const PagePlan plan = plan_page(query, found.extent);
    Page page = begin_page(plan, found.extent.top);
    if (plan.count == 0) return page;
    size_t bytes = 0;
    Rows rows((query.reverse ? downwards_ : upwards_).with(found.number, plan.first, plan.count));
    while (rows.next()) {
        auto message = message_of_row(*rows.operator->(), query.channel, page.top.epoch, clock_.started());
        if (!add_to_page(page, bytes, query, std::move(message))) break;
    }
    return page;
}

Progress SqliteReader::progress(const Cursor& cursor) {
    const Found found = find(cursor.channel);
    Progress progress{found.extent.top, 0, 0, {}};
    if (found.number != 0) {
        Rows row(cursor_.with(found.number, Exact{cursor.user}));
        if (row.next()) {
            progress.acknowledged = row->number(0);
            progress.delivered = row->number(1);
        }
    }
    progress.delivered =
        std::max(progress.delivered, notes_.find(cursor.channel, cursor.user, progress.top.epoch));
    return progress;
}

}  // namespace wayleave
