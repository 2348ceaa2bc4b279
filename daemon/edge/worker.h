// One worker: a thread with its own loop, gateway, listeners and transports. It shares with others what it is
// given: the broker, the limits, the quota and the runtime.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/decision/counters.h"
#include "daemon/edge/canary.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/doors.h"
#include "daemon/edge/report.h"
#include "daemon/message/broker.h"
#include "daemon/session/gateway.h"
#include "dsl/text/result.h"

namespace wayleave {

class Exchange;
class Notices;

struct WorkerSettings {
    int64_t tls_timeout_ms = 10'000;  // of the TLS handshake; the gateway's own deadline follows reloads
    size_t accept_per_turn = 64;
    size_t workers = 1;  // how many there are
};

class Worker {
  public:
    struct Parts {  // borrowed, and used by all workers
        Broker& broker;
        Presence& presence;
        ConnectionSlots& slots;
        Canary& canary;
        Exchange& exchange;
        LimitTable& limits;
        BanTable& bans;
        Notices& notices;
        ConnectionQuota& quota;
        const EdgeReport& report;
    };

    // On the main thread, before any worker starts. Error: what is wrong; remedy.
    static Result<std::unique_ptr<Worker>> create(const Parts& parts, const WorkerSettings& settings,
                                                  std::vector<WorkerListener> listeners,
                                                  std::shared_ptr<const Runtime> runtime);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Threads inherit the signal mask: the caller blocks what the main thread handles.
    void start();

    // Any thread, also before start(); done at the worker's next turn.
    struct ListenerTls {
        uint64_t listener;
        std::shared_ptr<const TlsSide> side;
    };
    using TlsSides = std::vector<ListenerTls>;
    void replace(std::shared_ptr<const Runtime> runtime, TlsSides tls);
    // Listeners come and go in two steps, so that what fails at one worker changes nothing at any. `prepared`
    // is called on the worker's thread: nobody enters by the new ones yet. Then those of the first step are
    // opened or dropped, and others closed.
    void prepare(std::vector<WorkerListener> listeners, std::function<void(Status)> prepared);
    void settle(bool open, std::vector<uint64_t> closed);
    // A longer piece of work, done a little at a time between other things: called again until it is true.
    void task(std::function<bool(Gateway&, Now)> work);
    void drain(Drain drain);  // closes the listeners, then the connections in good order
    void stop();              // ends the thread; what is open is closed
    // Waits for the thread to end. All workers are joined before the first is destroyed: they write to each
    // other's mailboxes to the last.
    void join();

    [[nodiscard]] const Counters& counters() const;
    [[nodiscard]] bool drained() const;  // drain() is done: no socket is left

  private:
    class Impl;
    explicit Worker(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
