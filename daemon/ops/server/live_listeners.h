// The listeners in force, and how others come into force while the daemon runs: all that may fail is done
// before anything changes. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/edge/loop_calls.h"
#include "daemon/edge/tls_side.h"
#include "daemon/edge/worker.h"
#include "daemon/ops/control/control.h"
#include "daemon/ops/control/pending_answers.h"
#include "daemon/ops/server/given_sockets.h"
#include "daemon/ops/server/open_listeners.h"
#include "daemon/ops/server/start_error.h"
#include "daemon/ops/settings/settings.h"

namespace wayleave {

// What becomes of them with other settings. It holds what was opened for these and is not in force yet.
struct NextListeners {
    struct One {
        std::optional<size_t> now;           // which of those in force it is
        std::optional<OpenListener> opened;  // it is new, or another one at the same sockets
        ListenerSettings settings;
        bool lost = false;  // nobody finds it any more: it is opened anew at its address
    };
    std::vector<One> all;        // in the order of the settings
    std::vector<size_t> ending;  // of those in force
    ListenerChanges changes;
};

class LiveListeners {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        LoopCalls& calls;
        const std::vector<std::unique_ptr<Worker>>& workers;
        const StartSettings& settings;
        GivenSockets& given;
        std::function<bool()> handing_over;
    };
    using Tls = std::vector<std::shared_ptr<const TlsSide>>;  // for each listener of the settings

    explicit LiveListeners(const Parts& parts) : parts_(parts), pending_(parts.loop, parts.calls) {}

    // At the start.
    [[nodiscard]] Started open(const Tls& tls);
    [[nodiscard]] Result<std::vector<WorkerListener>, StartError> of_worker(size_t worker) const {
        return listeners_of_worker(open_, worker, parts_.settings.workers);
    }

    // What would change. Error: a reload would be refused.
    [[nodiscard]] Result<ListenerChanges, StartError> foresee(const StartSettings& next, const Tls& tls);
    // Opens what is new. What it returns is to be put in force or given up.
    [[nodiscard]] Result<std::shared_ptr<NextListeners>, StartError> prepare(const StartSettings& next,
                                                                             const Tls& tls);
    // Has the workers take the new ones, through which nobody enters yet.
    void offer(const NextListeners& next, std::function<void(Status)> then);
    void give_up(NextListeners& next);
    // Together with the certificates of those that stay.
    void put_in_force(NextListeners& next, const Tls& tls);
    [[nodiscard]] Worker::TlsSides sides() const;

    // The sockets are closed: the daemon ends.
    void close() { open_.clear(); }
    void own_files();
    void leave_files();
    [[nodiscard]] const OpenListeners& all() const { return open_; }
    // As they were opened: what a reload does not change is as it was then.
    [[nodiscard]] std::vector<ListenerSettings> settings() const;

  private:
    [[nodiscard]] NextListeners compare(const StartSettings& next, const Tls& tls) const;
    [[nodiscard]] Started check_free(const NextListeners& next) const;
    [[nodiscard]] Started open_new(NextListeners& next, const Tls& tls);
    [[nodiscard]] Result<OpenListener, StartError> open_one(const ListenerSettings& own,
                                                            const std::shared_ptr<const TlsSide>& tls);

    const Parts parts_;
    PendingAnswers<Status> pending_;
    OpenListeners open_;
    uint64_t last_number_ = 0;
};

}  // namespace wayleave
