// The streams of all sessions of one worker: WebSockets to backends, opened for their clients, kept up over
// restarts of the backend, and told of. What comes from a backend goes to its client and back. One thread.
#pragma once

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/decision/authorize.h"
#include "daemon/session/bindings.h"
#include "daemon/session/folded_stream.h"
#include "daemon/session/handshake_pacer.h"
#include "daemon/session/outbox.h"
#include "daemon/session/replies.h"
#include "daemon/session/session_table.h"
#include "daemon/session/upstream_user.h"

namespace wayleave {

class FoldedStreams final : public UpstreamUser {
  public:
    // `name` is of this worker in this run of the daemon: an id of a handshake is never another's.
    FoldedStreams(std::string name, size_t workers, Actions& actions, const SessionTable& sessions,
                  const Bindings& bindings, LimitTable& limits, const WebSocketFraming& web_socket,
                  Outbox& outbox, Replies& replies, ConnectionLog& log, Counters& counters,
                  std::mt19937_64& random);

    // The connection is open. Of the request it keeps what backends are told about it. `only`: the one stream
    // that an old client speaks, unwrapped; empty: all that the route has.
    void opened(Session& session, const HttpHead& head, const std::string& only, Now now);
    // What the connection may have now: a reload or an `$auth` has changed it.
    void rebound(Session& session, Now now);
    void ended(const Session& session, Now now);

    // A client's message for a stream: judged, and on its way.
    void handle(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                dsl::Request& request, Now now);
    // Of an old client: whatever it says is for its one stream.
    void pass_on(Session& session, std::string_view payload, bool binary, dsl::Request& request, Now now);
    // What waited for the client is written: who was held back for its sake goes on.
    void drained(const Session& session, Now now);

    // What becomes of the connections that actions().dials asks for, by their numbers. A number that is not
    // known any more is ignored.
    void connected(uint64_t dialled, Now now) override;
    void received(uint64_t dialled, std::span<char> bytes, Now now) override;
    void gone(uint64_t dialled, const std::string& why, Now now) override;
    [[nodiscard]] bool may_read(uint64_t dialled) const override;
    [[nodiscard]] std::string_view output(uint64_t dialled) const override;
    void written(uint64_t dialled, size_t bytes, Now now) override;
    [[nodiscard]] size_t held(const Session& session) const override;

    void tick(Now now);

  private:
    // What a session's streams have in common.
    struct Fold {
        std::string host;                                          // of the request
        std::string headers;                                       // complete lines, but for the cookies
        std::vector<std::pair<std::string, std::string>> cookies;  // that any backend may have
        std::string only;
        std::vector<uint64_t> streams;
    };

    [[nodiscard]] FoldedStream* find(uint64_t number) const;
    [[nodiscard]] FoldedStream* of_dialled(uint64_t dialled) const;
    [[nodiscard]] FoldedStream* of_session(const Session& session, std::string_view name) const;
    [[nodiscard]] Session* client_of(const FoldedStream& stream) const;
    void add(Session& session, Fold& fold, const dsl::Stream& declared, Now now);
    [[nodiscard]] std::optional<std::string> path_of(const Session& session,
                                                     const dsl::Stream& declared) const;
    void judge(Session& session, const dsl::Stream& declared, dsl::Request& request, StreamMessage message,
               Now now);
    void accept(Session& session, FoldedStream& stream, StreamMessage message, Now now);

    void schedule(FoldedStream& stream, int64_t due_ms);
    void begin(FoldedStream& stream, Now now);
    void dial(FoldedStream& stream, Now now);
    void run_queue(Now now);
    [[nodiscard]] std::string headers_of(const Session& session, const Fold& fold, const FoldedStream& stream,
                                         Now now);
    void read(FoldedStream& stream, std::span<char> bytes, Now now);
    void became_open(FoldedStream& stream, Now now);
    void deliver(FoldedStream& stream, const UpstreamMessage& message, Now now);
    void refused(FoldedStream& stream, const UpgradeRefused& refusal, Now now);
    void closed(FoldedStream& stream, uint16_t code, const std::string& reason, Now now);
    void retry(FoldedStream& stream, int64_t least_ms, int64_t most_ms, Now now);
    void finish(FoldedStream& stream, const StreamEnd& end, Now now);
    void tell_closed(FoldedStream& stream, const StreamEnd& end, Now now);
    void drop_pending(FoldedStream& stream, Now now);
    void hang_up(FoldedStream& stream);
    void leave(FoldedStream& stream, uint16_t code, Now now);
    void forget(uint64_t number);
    void wake(FoldedStream& stream, Now now);
    void flush(const FoldedStream& stream);
    void note(const FoldedStream& stream, std::string_view name, std::string text, Now now);
    void set_gauges();

    std::string name_;
    size_t workers_;
    Actions& actions_;
    const SessionTable& sessions_;
    const Bindings& bindings_;
    LimitTable& limits_;
    const WebSocketFraming& web_socket_;
    Outbox& outbox_;
    Replies& replies_;
    ConnectionLog& log_;
    Counters& counters_;
    std::mt19937_64& random_;
    absl::flat_hash_map<uint64_t, std::unique_ptr<Fold>> folds_;            // by the session's number
    absl::flat_hash_map<uint64_t, std::unique_ptr<FoldedStream>> streams_;  // by its own
    absl::flat_hash_map<uint64_t, uint64_t> dialled_;                       // a connection's stream
    absl::btree_set<std::pair<int64_t, uint64_t>> times_;                   // steady time and stream
    HandshakePacer pacer_;
    simdjson::dom::parser parser_;
    size_t open_ = 0;
    size_t pending_bytes_ = 0;
    uint64_t numbers_ = 0;
};

}  // namespace wayleave
