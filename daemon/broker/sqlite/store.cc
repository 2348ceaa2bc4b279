#include "daemon/broker/sqlite/store.h"

#include <algorithm>
#include <utility>

#include "daemon/broker/sqlite/schema.h"

namespace wayleave {
namespace {

constexpr size_t most_rows = 65'536;            // remembered
constexpr int64_t forget_after_ms = 3'600'000;  // the numbering of a channel in which nothing is left
constexpr uint64_t most_trimmed = 512;          // messages, with one publication or in one step
constexpr uint64_t most_slack = 256;            // messages beyond the history that may stay a while
constexpr int64_t quiet_ms = 10'000;            // after which what is left of those goes, too
constexpr int64_t cursor_grain_ms = 60'000;     // most acknowledgements leave the index of cursors alone
constexpr int64_t least_free_pages = 1000;      // fewer are not worth giving back

#define WAYLEAVE_ROW "number, name, epoch, top, floor, history, keep, touched"

std::unique_ptr<ChannelRow> row_of(const Statement& rows) {
    auto row = std::make_unique<ChannelRow>();
    row->number = rows.integer(0);
    row->name = rows.text(1);
    row->top = {rows.number(2), rows.number(3)};
    row->floor = rows.number(4);
    row->history = static_cast<uint32_t>(rows.number(5));
    row->keep_ms = rows.integer(6);
    row->touched = rows.integer(7);
    return row;
}

}  // namespace

Publication message_of(const Draft& draft, Position position) {
    auto message =
        std::make_shared<Message>(draft.channel, position, Body{draft.id, draft.now.wall_ms, draft.members});
    message->except = draft.except;
    if (position.epoch == 0) message->lane = draft.lane;
    message->key = draft.key;
    return message;
}

Store::Store(Database& database, const ChannelTable& table, AgeClock clock)
    : database_(database),
      table_(table),
      clock_(clock),
      find_channel_(database, "SELECT " WAYLEAVE_ROW " FROM channel WHERE name = ?"),
      list_channels_(database,
                     "SELECT " WAYLEAVE_ROW " FROM channel WHERE number > ? ORDER BY number LIMIT 128"),
      make_channel_(database,
                    "INSERT INTO channel (name, epoch, top, floor, history, keep, touched)"
                    " VALUES (?, ?, ?, ?, 0, 0, ?) RETURNING number"),
      write_channel_(database,
                     "UPDATE channel SET top = ?, floor = ?, history = ?, keep = ?, touched = ?"
                     " WHERE number = ?"),
      remove_channel_(database, "DELETE FROM channel WHERE number = ?"),
      add_message_(database, "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      last_old_(database,
                "SELECT max(offset) FROM (SELECT offset, at FROM message WHERE channel = ? AND offset > ?"
                " ORDER BY offset LIMIT 512) WHERE at <= ?"),
      remove_messages_(database, "DELETE FROM message WHERE channel = ? AND offset <= ?"),
      find_id_(database, "SELECT offset FROM dedup WHERE channel = ? AND id = ? AND until > ?"),
      add_id_(database, "INSERT OR REPLACE INTO dedup VALUES (?, ?, ?, ?)"),
      move_cursor_(database,
                   "INSERT INTO cursor VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                   " acknowledged = max(acknowledged, excluded.acknowledged),"
                   " delivered = max(delivered, excluded.delivered), until = max(until, excluded.until)"),
      is_referred_to_(database,
                      "SELECT EXISTS (SELECT 1 FROM cursor WHERE channel = ?1)"
                      " OR EXISTS (SELECT 1 FROM dedup WHERE channel = ?1)"),
      has_run_out_(database,
                   "SELECT EXISTS (SELECT 1 FROM dedup WHERE until <= ?1)"
                   " OR EXISTS (SELECT 1 FROM cursor WHERE until <= ?1)"),
      expire_ids_(database,
                  "DELETE FROM dedup WHERE (channel, id) IN"
                  " (SELECT channel, id FROM dedup WHERE until <= ? ORDER BY until LIMIT 512)"),
      expire_cursors_(database,
                      "DELETE FROM cursor WHERE (channel, user) IN"
                      " (SELECT channel, user FROM cursor WHERE until <= ? ORDER BY until LIMIT 512)"),
      write_clock_(database, "UPDATE state SET clock = max(clock, ?), wall = ?") {}

// --- channels ---

ChannelRow* Store::find(std::string_view name) {
    if (const auto it = rows_.find(name); it != rows_.end()) return it->second.get();
    Rows rows(find_channel_.with(Exact{name}));
    if (!rows.next()) return nullptr;
    return (rows_[name] = row_of(*rows.operator->())).get();
}

uint64_t Store::seed() {
    if (!seed_) seed_ = static_cast<uint64_t>(database_.integer("SELECT seed FROM state"));
    return *seed_;
}

// What was told to somebody goes on; see epoch_of() for the others.
ChannelRow& Store::make(std::string_view name, Now now) {
    if (ChannelRow* known = find(name)) return *known;
    auto row = std::make_unique<ChannelRow>();
    row->name = name;
    row->top = table_.told(name).value_or(Position{epoch_of(seed(), name), 0});
    row->floor = row->top.offset;
    row->touched = clock_.at(now);
    {
        Rows made(make_channel_.with(Exact{name}, row->top.epoch, row->top.offset, row->floor, row->touched));
        made.next();
        row->number = made->integer(0);
    }
    return *(rows_[name] = std::move(row));
}

void Store::change(ChannelRow& row) {
    if (row.changed) return;
    row.changed = true;
    changed_.push_back(&row);
}

void Store::touch(ChannelRow& row, const Retention& retention, Now now) {
    row.history = retention.history;
    row.keep_ms = retention.keep_ms;
    row.touched = std::max(row.touched, clock_.at(now));
    change(row);
}

void Store::settle(Now now) {
    for (ChannelRow* row : changed_) {
        write_channel_
            .with(row->top.offset, row->floor, uint64_t{row->history}, row->keep_ms, row->touched,
                  row->number)
            .run();
        row->changed = false;
    }
    changed_.clear();
    write_clock_.with(clock_.at(now), now.wall_ms).run();
    if (rows_.size() > most_rows) rows_.clear();
}

void Store::forget() {
    changed_.clear();
    rows_.clear();
    seed_.reset();
}

// --- what clients do ---

Store::Stored Store::publish(const Draft& draft) {
    if (!needs_disk(draft)) return {Receipt{}, message_of(draft, {}), 0};
    const Retention& retention = draft.retention;
    const bool deduplicated = retention.dedup_ms > 0 && !draft.dedup.empty();
    const bool numbered = retention.history > 0;
    const int64_t now = clock_.at(draft.now);
    ChannelRow& row = make(draft.channel, draft.now);
    if (deduplicated) {
        Rows ids(find_id_.with(row.number, Exact{draft.dedup}, now));
        if (ids.next()) {
            const uint64_t first = ids->number(0);
            return {
                Receipt{
                    Receipt::Status::duplicate, first == 0 ? Position{} : Position{row.top.epoch, first}, {}},
                nullptr, 0};
        }
    }
    const Position position = numbered ? Position{row.top.epoch, row.top.offset + 1} : Position{};
    touch(row, retention, draft.now);
    if (deduplicated)
        add_id_.with(row.number, Exact{draft.dedup}, position.offset, now + retention.dedup_ms).run();
    if (numbered) {
        add_message_
            .with(row.number, position.offset, row.touched, draft.now.wall_ms, draft.id, draft.members,
                  draft.key, draft.except)
            .run();
        row.top = position;
        trim(row);
    }
    return {Receipt{Receipt::Status::accepted, position, {}}, message_of(draft, position), row.touched};
}

Receipt Store::acknowledge(const Cursor& cursor) {
    static const std::string no_message = "the channel has no message of this epoch and offset";
    ChannelRow* row = find(cursor.channel);
    const Position top =
        row != nullptr ? row->top
                       : table_.told(cursor.channel).value_or(Position{epoch_of(seed(), cursor.channel), 0});
    if (cursor.position.epoch != top.epoch || cursor.position.offset > top.offset)
        return {Receipt::Status::refused, {}, no_message};
    if (cursor.position.offset > 0) {
        ChannelRow& kept = make(cursor.channel, cursor.now);
        const int64_t until = clock_.at(cursor.now) + cursor.retention.keep_ms + cursor_grain_ms;
        move_cursor_
            .with(kept.number, Exact{cursor.user}, cursor.position.offset, cursor.position.offset,
                  until - until % cursor_grain_ms)
            .run();
        touch(kept, cursor.retention, cursor.now);
    }
    return {Receipt::Status::accepted, cursor.position, {}};
}

void Store::delivered(const Cursor& cursor) {
    ChannelRow* row = find(cursor.channel);
    if (row == nullptr || cursor.position.epoch != row->top.epoch || cursor.position.offset > row->top.offset)
        return;
    const int64_t until = clock_.at(cursor.now) + cursor.retention.keep_ms + cursor_grain_ms;
    move_cursor_
        .with(row->number, Exact{cursor.user}, int64_t{0}, cursor.position.offset,
              until - until % cursor_grain_ms)
        .run();
}

// --- what has run out ---

void Store::remove_up_to(ChannelRow& row, uint64_t offset) {
    remove_messages_.with(row.number, offset).run();
    row.floor = offset;
    change(row);
}

// With the publications that make it necessary, a piece at a time.
void Store::trim(ChannelRow& row) {
    if (row.top.offset - row.floor <= row.history) return;
    const uint64_t too_many = row.top.offset - row.history;
    if (too_many - row.floor <= std::min<uint64_t>(row.history / 8, most_slack)) return;
    remove_up_to(row, std::min(too_many, row.floor + most_trimmed));
}

// The last offset of those that can go in one step; 0: none.
uint64_t Store::last_old(const ChannelRow& row, int64_t now) {
    if (row.floor >= row.top.offset) return 0;
    const uint64_t counted = row.top.offset - std::min<uint64_t>(row.top.offset, row.history);
    if (counted > row.floor && now - row.touched > quiet_ms)
        return std::min(counted, row.floor + most_trimmed);
    Rows rows(last_old_.with(row.number, row.floor, now - row.keep_ms));
    return rows.next() ? rows->number(0) : 0;
}

bool Store::forgettable(const ChannelRow& row, int64_t now) {
    if (row.floor < row.top.offset || now - row.touched < forget_after_ms || table_.in_use(row.name))
        return false;
    Rows rows(is_referred_to_.with(row.number));
    return rows.next() && rows->integer(0) == 0;
}

// Of the next few channels: those where there is something to do.
std::vector<std::string> Store::due(int64_t now) {
    std::vector<std::unique_ptr<ChannelRow>> looked_at;
    {
        Rows rows(list_channels_.with(swept_));
        while (rows.next()) looked_at.push_back(row_of(*rows.operator->()));
    }
    swept_ = looked_at.empty() ? 0 : looked_at.back()->number;
    std::vector<std::string> names;
    for (const auto& row : looked_at) {
        if (last_old(*row, now) > 0 || forgettable(*row, now)) names.push_back(row->name);
    }
    return names;
}

void Store::sweep(const std::string& name, int64_t now) {
    ChannelRow* row = find(name);
    if (row == nullptr) return;
    if (const uint64_t last = last_old(*row, now); last > 0) remove_up_to(*row, last);
    if (!forgettable(*row, now)) return;
    remove_channel_.with(row->number).run();
    std::erase(changed_, row);
    rows_.erase(name);
    // Who asks for it now is told of another epoch: its numbering would begin anew.
    seed_ = random_seed();
    Statement(database_, "UPDATE state SET seed = ?").with(*seed_).run();
}

bool Store::tidy(Now now) {
    const int64_t at = clock_.at(now);
    const std::vector<std::string> names = due(at);
    bool run_out = false;
    {
        Rows rows(has_run_out_.with(at));
        run_out = rows.next() && rows->integer(0) != 0;
    }
    if (names.empty() && !run_out) return vacuum();
    Transaction transaction(database_);
    for (const std::string& name : names) sweep(name, at);
    if (run_out) {
        expire_ids_.with(at).run();
        expire_cursors_.with(at).run();
    }
    settle(now);
    transaction.commit();
    return true;
}

// Free pages are used again; far more of them than that go back to the file system.
bool Store::vacuum() {
    const int64_t free = database_.integer("PRAGMA freelist_count");
    if (free < least_free_pages || free < database_.integer("PRAGMA page_count") / 4) return false;
    database_.run("PRAGMA incremental_vacuum(64)");
    return true;
}

}  // namespace wayleave
