// The thread that writes: it takes all that waits, writes it in one transaction, and only then delivers and
// answers. So the disk is asked once for many publications.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "daemon/base/counter.h"
#include "daemon/broker/channel_table.h"
#include "daemon/broker/delivered_notes.h"
#include "daemon/broker/sqlite/schema.h"
#include "daemon/broker/sqlite/store.h"
#include "daemon/message/broker.h"

namespace wayleave {

// For the operator's log. `bad`: something does not work; else it works again. A line or two in a second.
using BrokerReport = std::function<void(bool bad, const std::string& message)>;

class SqliteWriter {
  public:
    struct Bounds {
        size_t entries = 0;
        size_t bytes = 0;
    };
    struct Publish {
        Draft draft;
        Ticket ticket;
    };
    struct Acknowledge {
        Cursor cursor;
        Ticket ticket;
    };
    using Task = std::variant<Publish, Acknowledge>;

    SqliteWriter(std::string path, std::unique_ptr<Database> database, AgeClock clock, ChannelTable& table,
                 DeliveredNotes& notes, Bounds bounds, BrokerReport report);
    ~SqliteWriter();
    SqliteWriter(const SqliteWriter&) = delete;
    SqliteWriter& operator=(const SqliteWriter&) = delete;

    // What waits is written; then the database is closed for writing, and nothing is taken any more.
    void finish();

    // Any thread. False: too much waits.
    [[nodiscard]] bool add(Task task);
    void tick(Now now);  // any thread: time for what is done in the background

    // Any thread.
    struct Totals {
        uint64_t commits = 0;
        uint64_t committed = 0;  // publications and acknowledgements in them
        uint64_t failures = 0;   // transactions that came to nothing
        uint64_t duplicates = 0;
        uint64_t refused = 0;  // because too much waited
        uint64_t waiting = 0;
        uint64_t waiting_bytes = 0;
        uint64_t database_bytes = 0;
        uint64_t wal_bytes = 0;
        bool failing = false;
    };
    [[nodiscard]] Totals totals() const;

  private:
    struct FileId {
        uint64_t device = 0;
        uint64_t inode = 0;
        bool operator==(const FileId&) const = default;
    };
    struct Outcome {
        Receipt receipt;
        Publication message;
        int64_t at = 0;
    };

    using Tasks = std::span<const Task>;

    void loop();
    void write(Tasks tasks);
    void store(Tasks tasks);
    void deliver(Tasks tasks);
    void give_up(Tasks tasks, const std::string& because);
    [[nodiscard]] bool tidy();
    void flush_notes(size_t most);
    void check_file() const;
    void checkpoint();
    void failed(const SqliteFault& fault);
    void worked();
    void measure();
    void see(Now now);

    const std::string path_;
    std::unique_ptr<Database> database_;
    ChannelTable& table_;
    DeliveredNotes& notes_;
    const Bounds bounds_;
    const BrokerReport report_;
    Store store_;
    FileId file_;                    // that was opened
    std::vector<Outcome> outcomes_;  // of the tasks of a batch, in their order
    Now now_;                        // the latest that a task or tick() came with
    bool failing_ = false;
    int64_t reported_ms_ = 0;
    int64_t noted_ms_ = 0;
    int wal_pages_ = 0;
    int next_checkpoint_ = 0;  // when there are so many
    int64_t page_bytes_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Task> tasks_;
    size_t waiting_ = 0;  // tasks that are not answered, also those that are being written
    size_t waiting_bytes_ = 0;
    Now tick_;
    bool ticked_ = false;
    bool stop_ = false;
    uint64_t refused_ = 0;

    Counter commits_;
    Counter committed_;
    Counter failures_;
    Counter duplicates_;
    Gauge database_bytes_;
    Gauge wal_bytes_;
    std::atomic<bool> failed_last_{false};

    std::thread thread_;  // last: it uses all above
};

}  // namespace wayleave
