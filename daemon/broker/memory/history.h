// The numbered messages of one channel, in memory, and how far its users have come. No lock: its owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "daemon/base/string_map.h"
#include "daemon/message/broker.h"

namespace wayleave {

// Where a page begins, by what was asked for and what there is.
struct PageStart {
    uint64_t after = 0;
    bool recovered = true;
};

// What is known of a channel when a page of it is read.
struct Extent {
    Position top;
    uint64_t oldest = 1;  // the first that is kept; top + 1: none
    bool has_cursor = false;
    uint64_t cursor = 0;  // of the query's user
};

[[nodiscard]] PageStart page_start(const Query& query, const Extent& extent);
// Below which a page downwards ends.
[[nodiscard]] PageStart lowest(const Query& query, const Extent& extent);

class History {
  public:
    History(uint64_t epoch, Now now) : epoch_(epoch), touched_ms_(now.steady_ms) {}

    [[nodiscard]] Position top() const { return {epoch_, top_}; }
    [[nodiscard]] Position next() const { return {epoch_, top_ + 1}; }

    // `message` is at next().
    void append(Publication message, const Retention& retention, Now now);
    [[nodiscard]] Page read(const Query& query) const;

    // These two are false for a position of another epoch, or ahead of the top.
    [[nodiscard]] bool acknowledge(const Cursor& cursor);
    bool delivered(const Cursor& cursor);
    [[nodiscard]] Progress progress(std::string_view user) const;

    // What has run out by then is forgotten.
    void expire(int64_t steady_ms);
    // The oldest goes, because memory is short. False: there is none.
    bool drop_oldest();
    // Somebody's cursor goes: what he had comes to him again. False: there is none.
    bool drop_user();

    [[nodiscard]] size_t bytes() const { return bytes_; }  // of messages and cursors, about
    [[nodiscard]] size_t messages() const { return kept_.size(); }
    // Nothing would be lost with it but the numbering.
    [[nodiscard]] bool empty() const { return kept_.empty() && users_.empty(); }
    [[nodiscard]] int64_t touched_ms() const { return touched_ms_; }

  private:
    struct Kept {
        Publication message;
        int64_t until_ms = 0;  // steady time
    };
    struct User {
        uint64_t delivered = 0;
        uint64_t acknowledged = 0;
        int64_t until_ms = 0;
    };

    User& user(const Cursor& cursor);
    [[nodiscard]] uint64_t oldest() const { return top_ + 1 - kept_.size(); }
    void pop();

    uint64_t epoch_;
    uint64_t top_ = 0;
    std::deque<Kept> kept_;  // dense: the last is the top
    StringMap<User> users_;
    size_t bytes_ = 0;
    int64_t touched_ms_;
};

}  // namespace wayleave
