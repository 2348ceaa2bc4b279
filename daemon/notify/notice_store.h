// Notices that wait, and the sessions whose end is to be told of, in an SQLite database of their own: so that
// no end is missed when the daemon is killed. One thread. Failures throw SqliteFault; see database.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/broker/sqlite/database.h"
#include "daemon/message/notices.h"
#include "dsl/text/result.h"

namespace wayleave {

class NoticeStore {
  public:
    struct Kept {
        int64_t row = 0;
        Notice notice;
    };

    // Makes the file, which only its user may read. Error: a sentence that names it.
    static Result<std::unique_ptr<NoticeStore>> open(const std::string& path, bool full_sync);

    [[nodiscard]] Transaction begin() { return Transaction(database_); }
    [[nodiscard]] int64_t add(const Notice& notice);  // its row: later ones are greater
    void remove(int64_t row);
    void remember(uint64_t session, const Notice& lost);
    void forget(uint64_t session);
    // Of the daemon that was here before.
    [[nodiscard]] std::vector<Notice> sessions();
    void forget_sessions();
    // The oldest of the backend behind that row.
    [[nodiscard]] std::vector<Kept> load(const std::string& backend, int64_t after, size_t most);
    [[nodiscard]] std::vector<std::pair<std::string, size_t>> backends();  // with how many notices wait

  private:
    explicit NoticeStore(const std::string& path);

    const uint64_t run_;  // tells the workers of this daemon from those of the one before
    Database database_;
    Statement add_;
    Statement remove_;
    Statement remember_;
    Statement forget_;
    Statement load_;
};

}  // namespace wayleave
