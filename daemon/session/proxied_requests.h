// Routes with `proxy … http`: plain requests that the door lets in go on to a backend, over connections that
// no two clients ever share. One thread.
#pragma once

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/limits.h"
#include "daemon/decision/rejection.h"
#include "daemon/protocol/http_exchange.h"
#include "daemon/session/deadlines.h"
#include "daemon/session/http_admission.h"
#include "daemon/session/kept_upstreams.h"
#include "daemon/session/proxy_target.h"
#include "daemon/session/request_right.h"
#include "daemon/session/session_table.h"
#include "daemon/session/upstream_user.h"

namespace wayleave {

class ProxiedRequests final : public UpstreamUser {
  public:
    // `name` is of this worker in this run of the daemon: an id of a request is never another's.
    ProxiedRequests(std::string name, Actions& actions, const SessionTable& sessions, Bindings& bindings,
                    LimitTable& limits, HttpAdmission& admission, Deadlines& deadlines, Outbox& outbox,
                    ConnectionLog& log, Counters& counters, std::mt19937_64& random);

    [[nodiscard]] bool wants(const HttpHead& head) const;
    // From here on the session's `passing_silence_ms` is set until the request is answered.
    void begin(Session& session, const HttpHead& head, Now now);
    // More of the request's body may have come.
    void read_body(Session& session, Now now);
    // Neither side has said anything for too long.
    void late(Session& session, Now now);
    void ended(const Session& session);
    // The client says nothing more. False: it has not said all of its request, or does not wait for its end.
    [[nodiscard]] bool client_finished(Session& session);
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
        std::string alias = {};                  // the old address that was asked for; empty: none
        std::optional<RequestRight> right = {};  // nothing: it may come to its end without
        std::optional<RequestRight::Over> over = {};
        // Steady time.
        int64_t reach_by_ms = 0;         // 0: it is reached
        int64_t look_by_ms = INT64_MAX;  // its right ends, or its time after that
        bool reuses = false;    // a connection that an earlier request has left, and may find it closed
        bool probed = false;    // see client_finished
        bool answered = false;  // the client has been told a part of the final response
        bool paused = false;    // the client reads too slowly
    };

    [[nodiscard]] Passing* find(uint64_t number) const;
    [[nodiscard]] Passing* of(const Session& session) const;
    [[nodiscard]] Session* client_of(const Passing& passing) const;
    void dial(Passing& passing, Now now);
    void ask_again(Passing& passing, Now now);
    void count_alias(Passing& passing, const Admitted& admitted);
    void look_at(Passing& passing, int64_t at_ms);
    void look(Passing& passing, Now now);
    void take_right(Passing& passing, RequestRight::Over over, Now now);
    void break_off(Passing& passing, Now now);
    void refuse(Session& session, int status, Rejection rejection, Now now);
    void rejudge_some(Now now);
    void rejudge(Passing& passing, Now now);
    void probe(Passing& passing, Session& session);
    void go_on(Passing& passing, Session& session, HttpExchange::State state, std::string told, Now now);
    void conclude(Passing& passing, Session& session, Now now);
    void fail(Passing& passing, int status, std::string why, Now now);
    void finish(Passing& passing);
    void close(Passing& passing);
    void note(const Passing& passing, std::string text, Now now);

    std::string name_;
    Actions& actions_;
    const SessionTable& sessions_;
    Bindings& bindings_;
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
    absl::btree_set<std::pair<int64_t, uint64_t>> looking_;   // see Passing::look_by_ms
    std::shared_ptr<const Runtime> judged_by_;
    std::vector<uint64_t> to_judge_;  // that were under way when the policy was replaced; some may be over
    KeptUpstreams kept_;
    std::vector<ConnectionId> answered_;
    uint64_t requests_ = 0;
    uint64_t upstreams_made_ = 0;
    bool stopping_ = false;
};

}  // namespace wayleave
