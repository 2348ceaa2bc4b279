// Where clients come in to one worker: its listening sockets, and what stands between them and the
// transports. Doors are added and closed while it runs; who came through one stays. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/decision/counters.h"
#include "daemon/decision/runtime.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/listener.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/proxy_header_reader.h"
#include "daemon/edge/report.h"
#include "daemon/edge/socket.h"
#include "daemon/edge/tls_side.h"
#include "daemon/edge/transport.h"
#include "dsl/text/result.h"

namespace wayleave {

struct WorkerListener {
    uint64_t number = 0;                  // of all that there were in this process
    std::vector<FileDescriptor> sockets;  // listening, non-blocking; the descriptors are this worker's own
    bool tls = false;
    bool proxy_protocol = false;
    Transports::Side side = {};  // of a TLS listener
    bool serves_clients = true;
    bool serves_api = true;
};

class Doors {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        Transports& transports;
        ConnectionQuota& quota;
        Counters& counters;
        const Now& now;  // of this turn
        const EdgeReport& report;
        const std::shared_ptr<const Runtime>& runtime;  // in force
        int64_t header_patience_ms = 0;                 // for a proxy to say who is behind it
        size_t accept_per_turn = 0;
    };
    explicit Doors(const Parts& parts) : parts_(parts) {}
    ~Doors() { close_all(); }
    Doors(const Doors&) = delete;
    Doors& operator=(const Doors&) = delete;

    // All that may fail is done, and nobody enters before open(). Error: nothing is prepared.
    [[nodiscard]] Status prepare(std::vector<WorkerListener> listeners);
    void open();
    void drop_prepared();

    // Who waits in the kernel's queue still enters, and then nobody does.
    void close(std::span<const uint64_t> numbers);
    // Also those who have not said yet who they are go.
    void close_all();
    // From now on new connections get these certificates.
    void replace(uint64_t number, const std::shared_ptr<const TlsSide>& tls);
    void tick();  // every 100 ms

  private:
    struct Prepared {
        WorkerListener listener;
        size_t side;
    };
    struct Door {
        uint64_t number = 0;
        size_t side = Transports::plain;
        std::unique_ptr<ProxyHeaderReader> room;  // null: clients come without a header
        std::vector<std::unique_ptr<Listener>> listeners;
    };

    void open(WorkerListener& listener, size_t side);
    [[nodiscard]] Listener::Accepted through_proxy_header(Door& door, Listener::Accepted adopt);
    void adopt(FileDescriptor socket, size_t side, const Peer& peer);
    void refuse_proxy(const Peer& peer, std::string_view reason);
    void refuse_many(const FileDescriptor& socket, bool tls, const Peer& peer);

    const Parts parts_;
    Reserve reserve_;
    std::vector<Prepared> prepared_;
    std::vector<std::unique_ptr<Door>> doors_;
    std::vector<std::unique_ptr<Door>> closed_;  // behind which somebody waits who has not said who he is
};

}  // namespace wayleave
