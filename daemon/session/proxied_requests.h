// Routes with `proxy … http`: plain requests that the door lets in go on to a backend, over connections that
// no two clients ever share. One thread.
#pragma once

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/limits.h"
#include "daemon/protocol/http_exchange.h"
#include "daemon/session/deadlines.h"
#include "daemon/session/http_admission.h"
#include "daemon/session/kept_upstreams.h"
#include "daemon/session/proxy_target.h"
#include "daemon/session/session_table.h"
#include "daemon/session/upstream_user.h"

namespace wayleave {

class ProxiedRequests final : public UpstreamUser {
  public:
    // `name` is of this worker in this run of the daemon: an id of a request is never another's.
    ProxiedRequests(std::string name, Actions& actions, const SessionTable& sessions,
                    const Bindings& bindings, LimitTable& limits, HttpAdmission& admission,
                    Deadlines& deadlines, Outbox& outbox, ConnectionLog& log, Counters& counters,
                    std::mt19937_64& random);

    [[nodiscard]] bool wants(const HttpHead& head) const;
    // From here on the session's `passing_silence_ms` is set until the request is answered.
    void begin(Session& session, const HttpHead& head, Now now);
    // More of the request's body may have come.
    void read_body(Session& session, Now now);
    // Neither side has said anything for too long.
    void late(Session& session, Now now);
    void ended(const Session& session);
    // The client has taken some of what waits for it.
    void sent(Session& session, Now now);
    // Others may need the places of connections that no request is on.
    void end_idle_upstreams() { kept_.drop_all(); }
    // The server is stopping: each connection ends with the answer that it waits for.
    void stop() { stopping_ = true; }
    // Who has got its answer since the last call, and may have asked more meanwhile.
    [[nodiscard]] std::vector<ConnectionId> take_answered() { return std::exchange(answered_, {}); }

    void connected(uint64_t number, Now now) override;
    void received(uint64_t number, std::span<char> bytes, Now now) override;
    void finished(uint64_t number, Now now) override;
    void gone(uint64_t number, const std::string& why, Now now) override;
    [[nodiscard]] bool may_read(uint64_t number) const override;
    [[nodiscard]] std::string_view output(uint64_t number) const override;
    void written(uint64_t number, size_t bytes, Now now) override;
    [[nodiscard]] size_t held(const Session& session) const override;
    void tick(Now now);

  private:
    struct Passing {
        uint64_t number = 0;
        uint64_t session = 0;
        ConnectionId client;
        ProxyTarget target;
        HttpExchange exchange;
        std::vector<std::string> entered;  // keys of `limit connections`
        std::vector<std::shared_ptr<const HeldPlace>> places;
        int64_t reach_by_ms = 0;  // steady time; 0: it is reached
        bool reuses = false;      // a connection that an earlier request has left, and may find it closed
        bool answered = false;    // the client has been told a part of the final response
        bool paused = false;      // the client reads too slowly
    };

    [[nodiscard]] Passing* find(uint64_t number) const;
    [[nodiscard]] Passing* of(const Session& session) const;
    [[nodiscard]] Session* client_of(const Passing& passing) const;
    void dial(Passing& passing, Now now);
    void ask_again(Passing& passing, Now now);
    void go_on(Passing& passing, Session& session, HttpExchange::State state, std::string told, Now now);
    void conclude(Passing& passing, Session& session, Now now);
    void fail(Passing& passing, int status, std::string why, Now now);
    void finish(Passing& passing);
    void close(Passing& passing);
    void note(const Passing& passing, std::string text, Now now);

    std::string name_;
    Actions& actions_;
    const SessionTable& sessions_;
    const Bindings& bindings_;
    LimitTable& limits_;
    HttpAdmission& admission_;
    Deadlines& deadlines_;
    Outbox& outbox_;
    ConnectionLog& log_;
    Counters& counters_;
    std::mt19937_64& random_;
    absl::flat_hash_map<uint64_t, std::unique_ptr<Passing>> passing_;
    absl::flat_hash_map<uint64_t, uint64_t> of_session_;
    absl::btree_set<std::pair<int64_t, uint64_t>> reaching_;  // by when the backend must be reached
    KeptUpstreams kept_;
    std::vector<ConnectionId> answered_;
    uint64_t requests_ = 0;
    uint64_t upstreams_made_ = 0;
    bool stopping_ = false;
};

}  // namespace wayleave
