#include "daemon/broker/sqlite/broker.h"

#include <utility>

#include "daemon/broker/sqlite/reader.h"

namespace wayleave {
namespace {

constexpr const char* too_much_waits = "too many messages wait for the disk";

}  // namespace

Result<std::unique_ptr<SqliteBroker>, OpenFailure> SqliteBroker::open(const SqliteSettings& settings,
                                                                      BrokerReport report, Now now) {
    auto lock = FileLock::take(settings.path + ".lock");
    if (!lock) return failure(OpenFailure(lock.error()));
    auto opened = open_messages(settings.path, settings.full, settings.most_file_bytes, now);
    if (!opened) return failure(OpenFailure(opened.error()));
    try {
        return std::unique_ptr<SqliteBroker>(
            new SqliteBroker(settings, std::move(*lock), std::move(*opened), std::move(report)));
    } catch (const SqliteFault& fault) {
        return failure(OpenFailure{settings.path + ": " + fault.what(), true});
    }
}

SqliteBroker::SqliteBroker(const SqliteSettings& settings, FileLock lock, Opened opened, BrokerReport report)
    : lock_(std::move(lock)),
      clock_(opened.clock),
      table_(settings.memory_bytes),
      writer_(settings.path, std::move(opened.writer), clock_, table_, notes_,
              {settings.most_waiting, settings.most_waiting_bytes}, report),
      reader_(std::make_unique<SqliteReader>(settings.path, clock_, table_, notes_, settings.most_waiting,
                                             std::move(report))) {}
SqliteBroker::~SqliteBroker() = default;

uint32_t SqliteBroker::add_worker(Inbox& inbox) {
    return table_.add_inbox(inbox);
}

void SqliteBroker::subscribe(uint32_t worker, std::string_view channel) {
    table_.subscribe(worker, channel);
}

bool SqliteBroker::heard(std::string_view channel) const {
    return table_.heard(channel);
}

void SqliteBroker::unsubscribe(uint32_t worker, std::string_view channel) {
    table_.unsubscribe(worker, channel);
}

std::optional<Receipt> SqliteBroker::publish(Draft draft, Ticket ticket) {
    const std::string channel = draft.channel;
    if (needs_disk(draft)) {
        table_.queue(channel);
    } else if (table_.push_or_queue(message_of(draft, {}))) {
        return Receipt{};
    }
    if (writer_.add(SqliteWriter::Publish{std::move(draft), ticket})) return std::nullopt;
    table_.let_go(channel);
    return Receipt{Receipt::Status::unavailable, {}, too_much_waits};
}

void SqliteBroker::announce(const Publication& message) {
    table_.announce(message);
}

std::optional<Page> SqliteBroker::read(Query query, Ticket ticket) {
    if (auto page = table_.read(query, clock_.at(query.now))) return page;
    const std::string channel = query.channel;
    if (reader_->add(SqliteReader::Read{std::move(query), ticket})) return std::nullopt;
    table_.given_up(channel);
    Page page;
    page.because = "too many pages wait for the disk";
    return page;
}

std::optional<Receipt> SqliteBroker::acknowledge(Cursor cursor, Ticket ticket) {
    if (writer_.add(SqliteWriter::Acknowledge{std::move(cursor), ticket})) return std::nullopt;
    return Receipt{Receipt::Status::unavailable, {}, too_much_waits};
}

void SqliteBroker::delivered(Cursor cursor) {
    notes_.add(std::move(cursor));
}

std::optional<Progress> SqliteBroker::progress(Cursor cursor, Ticket ticket) {
    if (reader_->add(SqliteReader::Ask{std::move(cursor), ticket})) return std::nullopt;
    Progress progress;
    progress.because = "too many questions wait for the disk";
    return progress;
}

void SqliteBroker::tick(Now now) {
    writer_.tick(now);
}

void SqliteBroker::finish() {
    reader_->finish();
    writer_.finish();
}

BrokerTotals SqliteBroker::totals() const {
    const SqliteWriter::Totals writer = writer_.totals();
    BrokerTotals totals;
    totals.messages = table_.messages();
    totals.bytes = table_.bytes();
    totals.duplicates = writer.duplicates;
    totals.disk = DiskTotals{writer.commits,        writer.committed, writer.failures + reader_->failures(),
                             writer.refused,        writer.waiting,   writer.waiting_bytes,
                             writer.database_bytes, writer.wal_bytes, writer.failing || reader_->failing()};
    return totals;
}

}  // namespace wayleave
