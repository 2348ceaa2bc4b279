// The queue of `notify`: a thread of its own writes down what is told, hands it to the backends in the order
// of each session, and tries again until it has arrived. Bounded in memory; beside an SQLite broker on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/message/backend.h"
#include "daemon/message/notices.h"

namespace wayleave {

class NoticeStore;

struct NoticeTotals {
    uint64_t told = 0;
    uint64_t delivered = 0;  // answered with 2xx
    uint64_t refused = 0;    // answered with another 4xx than 408 and 429: not tried again
    uint64_t retried = 0;
    uint64_t lost = 0;    // given up: no room, too old, or their backend is gone
    size_t waiting = 0;   // also those on disk
    size_t bytes = 0;     // in memory
    size_t sessions = 0;  // whose end will be told of
};

class NoticeQueue final : public Notices {
  public:
    // The backend of that name in the policy in force, or null. Any thread.
    using FindBackend = std::function<std::shared_ptr<const Backend>(std::string_view name)>;
    // What a backend said to a notice, where its orders are to be carried out. On the queue's thread.
    using Answered = std::function<void(const Notice& notice, const BackendAnswer& answer)>;
    // For the operator's log. On the queue's thread.
    using Report = std::function<void(bool bad, const std::string& text)>;
    struct Bounds {
        size_t bytes = size_t{64} << 20U;  // of notices in memory and of sessions
        size_t in_memory = 20'000;         // notices of one backend; more stay on disk, where there is one
        size_t on_disk = 1'000'000;        // likewise
        int64_t lost_after_ms = 30'000;    // a session of the daemon before that did not come back
        int64_t give_up_ms = 24LL * 3'600'000;
        int64_t longest_pause_ms = 300'000;  // between two attempts
    };
    struct Parts {
        Backends& backends;
        FindBackend find;
        Answered answered;
        Report report;
        std::unique_ptr<NoticeStore> store;  // null: memory only
    };

    NoticeQueue(Parts parts, Bounds bounds);
    ~NoticeQueue() override;
    NoticeQueue(const NoticeQueue&) = delete;
    NoticeQueue& operator=(const NoticeQueue&) = delete;

    void tell(Notice notice) override;
    void opened(uint64_t session, Notice lost) override;
    void closed(uint64_t session) override;

    // What waits may still be delivered for so long, unless it is on disk. Then the thread ends.
    void finish(int64_t patience_ms);
    [[nodiscard]] NoticeTotals totals() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
