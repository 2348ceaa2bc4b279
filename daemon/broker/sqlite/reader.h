// The thread that reads pages and cursors from the database, beside the writer: in WAL mode neither waits for
// the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "daemon/broker/age_clock.h"
#include "daemon/broker/channel_table.h"
#include "daemon/broker/delivered_notes.h"
#include "daemon/broker/memory/history.h"
#include "daemon/broker/sqlite/database.h"
#include "daemon/broker/sqlite/writer.h"
#include "daemon/broker/turn_queue.h"
#include "daemon/message/broker.h"

namespace wayleave {

class SqliteReader {
  public:
    // ChannelTable::read() did not suffice.
    struct Read {
        Query query;
        Ticket ticket;
    };
    struct Ask {
        Cursor cursor;
        Ticket ticket;
    };
    using Task = std::variant<Read, Ask>;

    // The database was opened by a writer already. Throws SqliteFault.
    SqliteReader(const std::string& path, AgeClock clock, ChannelTable& table, const DeliveredNotes& notes,
                 size_t most_waiting, BrokerReport report);
    ~SqliteReader();
    SqliteReader(const SqliteReader&) = delete;
    SqliteReader& operator=(const SqliteReader&) = delete;

    // What waits is answered, and nothing is taken any more.
    void finish();

    // Any thread. False: too much waits.
    [[nodiscard]] bool add(Task task);

    // Any thread: questions that the database did not answer, and whether the last one was such.
    [[nodiscard]] uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool failing() const { return failing_.load(std::memory_order_relaxed); }

  private:
    struct Found {
        int64_t number = 0;  // 0: it has no row
        uint64_t floor = 0;
        Extent extent;
    };

    void loop();
    void answer(const Read& read);
    void answer(const Ask& ask);
    [[nodiscard]] Page page(const Query& query);
    [[nodiscard]] Progress progress(const Cursor& cursor);
    [[nodiscard]] Found find(const std::string& channel);
    void narrow(Found& found, const Query& query);
    void failed(const SqliteFault& fault, Now now);

    Database database_;
    const AgeClock clock_;
    ChannelTable& table_;
    const DeliveredNotes& notes_;
    const BrokerReport report_;
    std::atomic<uint64_t> failures_{0};
    std::atomic<bool> failing_{false};
    int64_t reported_ms_ = INT64_MIN / 2;

    Statement seed_;
    Statement channel_;
    Statement oldest_;
    Statement cursor_;
    Statement upwards_;
    Statement downwards_;

    std::mutex mutex_;
    std::condition_variable wake_;
    TurnQueue<Task> tasks_;
    bool stop_ = false;

    std::thread thread_;  // last: it uses all above
};

}  // namespace wayleave
