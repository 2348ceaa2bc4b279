// What other threads have for a worker: publications from the broker and commands from the main thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/core/broker.h"
#include "daemon/core/gateway.h"
#include "daemon/core/now.h"
#include "daemon/core/runtime.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/tls_side.h"

namespace wayleave {

struct Command {
    enum class Kind { answer, replace, drain, stop, task, unseat, certificates };

    Kind kind = Kind::stop;
    std::shared_ptr<const Runtime> runtime = nullptr;  // to replace the present one with
    bool at_once = false;                              // of a drain
    // Of a task: some of a longer piece of work on the worker's own thread; called again until it is true.
    std::function<bool(Gateway&, Now)> work = {};
    Occupant occupant = {};  // to be unseated
    uint64_t ticket = 0;     // of an answer
    BrokerAnswer answer = {};
    size_t side = 0;  // of TLS, that gets new certificates
    std::shared_ptr<const TlsSide> certificates = nullptr;
};

class Mailbox final : public Inbox {
  public:
    explicit Mailbox(Loop& loop)
        : wakeup_(loop, [] {}) {}  // to have woken is all: the turn's end empties the box

    // The thread that empties it. What it pushes itself wakes nobody, since it looks again before it sleeps.
    void owned_by_this_thread();

    void push(const Publication& publication) override;            // any thread
    void answered(uint64_t ticket, BrokerAnswer answer) override;  // any thread
    void unseat(const Occupant& occupant) override;                // any thread
    void post(Command command);                                    // any thread

    // Moves what has arrived into the vectors, which should be empty and lend their capacity. False: there
    // was nothing.
    [[nodiscard]] bool take(std::vector<Publication>& publications, std::vector<Command>& commands);

    void wake() { wakeup_.send(); }

  private:
    Wakeup wakeup_;
    std::mutex mutex_;
    std::vector<Publication> publications_;
    std::vector<Command> commands_;
};

// The mailboxes of all workers, by the broker's numbers. Filled before the threads start, and read by any.
class Exchange {
  public:
    void add(uint32_t worker, Mailbox& mailbox);
    // False: there is no such worker.
    [[nodiscard]] bool post(uint32_t worker, Command command) const;

  private:
    std::vector<Mailbox*> mailboxes_;
};

}  // namespace wayleave
