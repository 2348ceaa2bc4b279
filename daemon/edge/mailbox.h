// What other threads have for a worker: publications from the broker and commands from the main thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/runtime.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/pressure.h"
#include "daemon/edge/tls_side.h"
#include "daemon/message/connection_slots.h"
#include "daemon/message/patient_inbox.h"
#include "daemon/session/drain.h"
#include "daemon/session/gateway.h"

namespace wayleave {

struct DoorOrder;  // of the worker

struct Command {
    enum class Kind { answer, replace, drain, stop, task, evict, certificates, prepare_doors, settle_doors };

    Kind kind = Kind::stop;
    std::shared_ptr<const Runtime> runtime = nullptr;  // to replace the present one with
    Drain drain = {};
    // Of a task: some of a longer piece of work on the worker's own thread; called again until it is true.
    std::function<bool(Gateway&, Now)> work = {};
    SlotHolder occupant = {};  // to be evicted
    uint64_t ticket = 0;       // of an answer
    BrokerAnswer answer = {};
    uint64_t listener = 0;  // that gets new certificates
    std::shared_ptr<const TlsSide> certificates = nullptr;
    std::shared_ptr<DoorOrder> doors = nullptr;
};

class Exchange;

// Publications are counted until they are delivered. When there are too many the mailbox is full: it still
// takes what comes, since who brings it must not wait, but those who read publications from sockets pause.
class Mailbox final : public PatientInbox {
  public:
    static constexpr size_t most_messages = 1024;
    static constexpr size_t most_bytes = 1 << 20;

    Mailbox(Loop& loop, Exchange& exchange)
        : wakeup_(loop, [] {}),
          exchange_(exchange) {}  // to have woken is all: the turn's end empties the box

    // The thread that empties it. What it pushes itself wakes nobody, since it looks again before it sleeps.
    void owned_by_this_thread();

    void push(const Publication& publication) override;                               // any thread
    [[nodiscard]] bool push_without_waking(const Publication& publication) override;  // any thread
    void answered(uint64_t ticket, BrokerAnswer answer) override;                     // any thread
    void post(Command command);                                                       // any thread

    // Moves what has arrived into the vectors: commands into an empty one that lends its capacity,
    // publications only if none of the last time is left. False: both are empty.
    // `since_us` becomes the steady time at which the first of the publications came.
    [[nodiscard]] bool take(std::vector<Publication>& publications, std::vector<Command>& commands,
                            int64_t& since_us);
    // Some of those that were taken.
    void delivered(std::span<const Publication> publications);
    // A turn has ended and not all that was taken could be delivered in it.
    void set_behind(bool behind);

    struct Held {
        size_t messages = 0;
        size_t bytes = 0;
    };
    [[nodiscard]] Held held() const;  // not delivered yet; any thread

    void wake() override { wakeup_.send(); }

  private:
    [[nodiscard]] bool authorize();

    Wakeup wakeup_;
    Exchange& exchange_;
    mutable std::mutex mutex_;
    std::vector<Publication> publications_;
    int64_t since_us_ = 0;  // the first of them
    std::vector<Command> commands_;
    std::atomic<bool> filled_{false};  // most turns bring nothing by this way, and need no lock to see it
    // Here, and taken but not delivered; written under the lock.
    std::atomic<size_t> held_messages_{0};
    std::atomic<size_t> held_bytes_{0};
    bool over_ = false;
    bool behind_ = false;
    bool full_ = false;
};

// The mailboxes of all workers, by the broker's numbers. Filled before the threads start, and used by any.
class Exchange {
  public:
    void add(uint32_t worker, Mailbox& mailbox);
    // False: there is no such worker.
    [[nodiscard]] bool post(uint32_t worker, Command command) const;
    void wake_all() const;

    [[nodiscard]] Pressure& pressure() { return pressure_; }
    // Far more waits somewhere than those who read from sockets bring: others must not bring more.
    [[nodiscard]] bool crammed() const;

  private:
    static constexpr size_t crammed_factor = 4;

    std::vector<Mailbox*> mailboxes_;
    Pressure pressure_;
};

}  // namespace wayleave
