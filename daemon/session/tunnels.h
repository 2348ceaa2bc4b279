// Routes with `proxy`: after the door a client's whole WebSocket is the backend's. The handshake is passed
// on, rewritten as a proxy must (RFC 9110 7.6); after the 101 bytes go both ways and nobody looks at them.
// One thread.
#pragma once

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/unwritten.h"
#include "daemon/decision/admission.h"
#include "daemon/session/bindings.h"
#include "daemon/session/deadlines.h"
#include "daemon/session/outbox.h"
#include "daemon/session/proxy_target.h"
#include "daemon/session/session_table.h"
#include "daemon/session/upstream_user.h"

namespace wayleave {

class Tunnels final : public UpstreamUser {
  public:
    // `name` is of this worker in this run of the daemon: an id of a handshake is never another's.
    Tunnels(std::string name, Actions& actions, const SessionTable& sessions, const Bindings& bindings,
            Deadlines& deadlines, Outbox& outbox, ConnectionLog& log, Counters& counters,
            std::mt19937_64& random);

    // The connection has come in; `head` is its request.
    void open(Session& session, const HttpHead& head, Now now);
    void from_client(Session& session, std::string_view bytes);
    void ended(const Session& session);
    // What waited for the client is written.
    void drained(const Session& session);

    void connected(uint64_t dialled, Now now) override;
    void received(uint64_t dialled, std::span<char> bytes, Now now) override;
    void gone(uint64_t dialled, const std::string& why, Now now) override;
    [[nodiscard]] bool may_read(uint64_t dialled) const override;
    [[nodiscard]] std::string_view output(uint64_t dialled) const override;
    void written(uint64_t dialled, size_t bytes, Now now) override;
    [[nodiscard]] size_t held(const Session& session) const override;
    void tick(Now now);

  private:
    struct Tunnel {
        uint64_t dialled = 0;
        uint64_t session = 0;
        ConnectionId client;
        ProxyTarget target;
        int64_t answer_by_ms = 0;  // steady time
        bool open = false;
        bool paused = false;  // the client reads too slowly
        std::string head;     // of the answer, as far as it arrived
        Unwritten out;        // for the backend
    };

    [[nodiscard]] Tunnel* find(uint64_t dialled) const;
    [[nodiscard]] Session* client_of(const Tunnel& tunnel) const;
    [[nodiscard]] std::string request_of(const ProxiedClient& client, const Tunnel& tunnel,
                                         const HttpHead& head, Now now);
    void read_answer(Tunnel& tunnel, std::string_view bytes, Now now);
    void to_client(Tunnel& tunnel, Session& session, std::string_view bytes);
    void refuse(Tunnel& tunnel, int status, std::string why, Now now);
    void finish(Tunnel& tunnel, bool hang_up);
    void note(const Tunnel& tunnel, std::string text, Now now);

    std::string name_;
    Actions& actions_;
    const SessionTable& sessions_;
    const Bindings& bindings_;
    Deadlines& deadlines_;
    Outbox& outbox_;
    ConnectionLog& log_;
    Counters& counters_;
    std::mt19937_64& random_;
    absl::flat_hash_map<uint64_t, std::unique_ptr<Tunnel>> tunnels_;
    absl::flat_hash_map<uint64_t, uint64_t> of_session_;
    absl::btree_set<std::pair<int64_t, uint64_t>> asking_;  // by when the backend must have answered
    uint64_t numbers_ = 0;
};

}  // namespace wayleave
