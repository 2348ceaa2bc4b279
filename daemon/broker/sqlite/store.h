// What the writer does to the database: each function is a part of one transaction, which its caller begins
// and commits. Throws SqliteFault; the caller rolls back then and calls forget(). The writer's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/age_clock.h"
#include "daemon/broker/channel_table.h"
#include "daemon/broker/sqlite/database.h"
#include "daemon/message/broker.h"

namespace wayleave {

// Else it goes to its subscribers and is kept nowhere.
[[nodiscard]] inline bool needs_disk(const Draft& draft) {
    return draft.retention.history > 0 || (draft.retention.dedup_ms > 0 && !draft.dedup.empty());
}

[[nodiscard]] Publication message_of(const Draft& draft, Position position);

// A channel's row.
struct ChannelRow {
    int64_t number = 0;
    std::string name = {};
    Position top = {};
    uint64_t floor = 0;
    uint32_t history = 0;
    int64_t keep_ms = 0;
    int64_t touched = 0;
    bool changed = false;  // and not written yet
};

class Store {
  public:
    Store(Database& database, const ChannelTable& table, AgeClock clock);

    struct Stored {
        Receipt receipt;
        Publication message;  // null: it is delivered to nobody, since it is a duplicate
        int64_t at = 0;
    };
    // Of a draft that needs no disk: the message, and nothing else happens.
    [[nodiscard]] Stored publish(const Draft& draft);
    [[nodiscard]] Receipt acknowledge(const Cursor& cursor);
    void delivered(const Cursor& cursor);

    // Before each commit: the rows of the channels that changed, and the clock.
    void settle(Now now);
    // The transaction was rolled back: what is remembered may never have been.
    void forget();

    // A step of what is done in the background, small enough that publishers need not notice. False: there
    // was nothing to do. Its own transaction.
    bool tidy(Now now);

  private:
    [[nodiscard]] ChannelRow* find(std::string_view name);
    [[nodiscard]] ChannelRow& make(std::string_view name, Now now);
    [[nodiscard]] uint64_t seed();
    void touch(ChannelRow& row, const Retention& retention, Now now);
    void change(ChannelRow& row);
    void trim(ChannelRow& row);
    void remove_up_to(ChannelRow& row, uint64_t offset);
    [[nodiscard]] std::vector<std::string> due(int64_t now);
    [[nodiscard]] uint64_t last_old(const ChannelRow& row, int64_t now);
    [[nodiscard]] bool forgettable(const ChannelRow& row, int64_t now);
    void sweep(const std::string& name, int64_t now);
    bool vacuum();

    Database& database_;
    const ChannelTable& table_;
    const AgeClock clock_;
    StringMap<std::unique_ptr<ChannelRow>> rows_;  // of the database, remembered
    std::vector<ChannelRow*> changed_;
    std::optional<uint64_t> seed_;
    int64_t swept_ = 0;  // the last channel's number that the background looked at

    Statement find_channel_;
    Statement list_channels_;
    Statement make_channel_;
    Statement write_channel_;
    Statement remove_channel_;
    Statement add_message_;
    Statement last_old_;
    Statement remove_messages_;
    Statement find_id_;
    Statement add_id_;
    Statement move_cursor_;
    Statement is_referred_to_;
    Statement has_run_out_;
    Statement expire_ids_;
    Statement expire_cursors_;
    Statement write_clock_;
};

}  // namespace wayleave
