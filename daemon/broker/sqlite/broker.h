// The broker whose messages, cursors and ids of deduplication are in an SQLite database. What it answered
// outlives the process; README.md says what survives what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/broker/channel_table.h"
#include "daemon/broker/sqlite/schema.h"
#include "daemon/broker/sqlite/writer.h"
#include "daemon/message/broker.h"
#include "dsl/text/result.h"

namespace wayleave {

class SqliteReader;

struct SqliteSettings {
    std::string path;
    bool full = true;                         // each commit survives a loss of power
    size_t most_file_bytes = 0;               // of the database, without its log; 0: as large as the disk
    size_t memory_bytes = size_t{64} << 20U;  // of the newest messages
    size_t most_waiting = 100'000;            // publications and acknowledgements, and as many pages
    size_t most_waiting_bytes = size_t{64} << 20U;
};

class SqliteBroker final : public Broker {
  public:
    // Blocking. `report` is called on threads of the broker's own.
    static Result<std::unique_ptr<SqliteBroker>, OpenFailure> open(const SqliteSettings& settings,
                                                                   BrokerReport report, Now now);
    ~SqliteBroker() override;
    SqliteBroker(const SqliteBroker&) = delete;
    SqliteBroker& operator=(const SqliteBroker&) = delete;

    [[nodiscard]] uint32_t add_worker(Inbox& inbox) override;
    void subscribe(uint32_t worker, std::string_view channel) override;
    void unsubscribe(uint32_t worker, std::string_view channel) override;
    [[nodiscard]] bool heard(std::string_view channel) const override;
    std::optional<Receipt> publish(Draft draft, Ticket ticket) override;
    void announce(const Publication& message) override;
    std::optional<Page> read(Query query, Ticket ticket) override;
    std::optional<Receipt> acknowledge(Cursor cursor, Ticket ticket) override;
    void delivered(Cursor cursor) override;
    std::optional<Progress> progress(Cursor cursor, Ticket ticket) override;
    void tick(Now now) override;
    [[nodiscard]] BrokerTotals totals() const override;
    void finish() override;

  private:
    SqliteBroker(const SqliteSettings& settings, FileLock lock, Opened opened, BrokerReport report);

    // In the order of birth; each uses those above it. The reader ends before the writer, which closes the
    // database, and the lock is let go last.
    FileLock lock_;
    AgeClock clock_;
    ChannelTable table_;
    DeliveredNotes notes_;
    SqliteWriter writer_;
    std::unique_ptr<SqliteReader> reader_;
};

}  // namespace wayleave
