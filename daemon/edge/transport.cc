#include "daemon/edge/transport.h"

#include <poll.h>

#include <deque>
#include <utility>

#include "daemon/edge/carrier.h"
#include "daemon/edge/plain_carrier.h"

namespace wayleave {

namespace {

// What is joined into one write. What one connection may have in its carrier is no more.
constexpr size_t write_size = 65536;
// Then others have their turn.
constexpr int writes_per_turn = 4;
constexpr size_t read_size = 65536;

// Without progress of a write for so long, the peer is not slow but gone; sooner if it has said that it is
// finished.
constexpr int64_t stuck_ms = 30'000;
constexpr int64_t stuck_half_closed_ms = 5'000;
constexpr int64_t stuck_check_ms = 1'000;
// How long a peer may take to close after our last byte, and how much it may still send.
constexpr int64_t linger_ms = 2'000;
constexpr size_t linger_bytes = 1 << 20;

// Of those that publish and were not read from: so many go on at a time. Their reads may use up the room that
// there is, and each that finds none costs two system calls.
constexpr int read_again_at_once = 16;

constexpr uint32_t nowhere = UINT32_MAX;

// One of these, or that the connection is broken or ended by both.
bool shows(const Carrier& carrier, short events) {
    pollfd asked{};
    asked.fd = carrier.descriptor();
    asked.events = events;
    return poll(&asked, 1, 0) == 1;
}

}  // namespace

class Transports::Impl {
  public:
    Impl(const Parts& parts, int64_t handshake_timeout_ms)
        : parts_(parts), handshake_timeout_ms_(handshake_timeout_ms), read_buffer_(read_size) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Result<size_t> add_side(Side side);
    void remove_side(size_t side) { lws_->remove(side); }
    void replace(size_t side, std::shared_ptr<const TlsSide> tls) { lws_->replace(side, std::move(tls)); }
    void adopt(FileDescriptor socket, size_t side, const Peer& peer);
    void work_off();
    void tick();
    [[nodiscard]] bool read_again();
    [[nodiscard]] size_t sockets() const { return sockets_; }

  private:
    uint32_t received_ = 0;  // counts readings
    // It lives until gone(), and ends itself there.
    struct Connection final : CarrierEvents {
        Connection(Impl& owner, ConnectionId number, const dsl::Address& from)
            : impl(owner), id(number), source(from) {}

        void secured(uint16_t version, std::shared_ptr<const std::string> claims) override {
            impl.parts_.gateway.secured(id, version, std::move(claims));
        }
        bool may_read() override { return impl.may_read(*this); }
        bool received(std::span<char> bytes) override { return impl.received(*this, bytes); }
        bool writeable() override { return impl.writeable(*this); }
        bool finished() override { return impl.finished(*this); }
        void spoke_plainly() override { plainly = true; }
        void gone() override { impl.gone(*this); }

        Impl& impl;
        ConnectionId id;
        std::unique_ptr<Carrier> carrier;
        int64_t since_ms = 0;  // of the last progress while stuck or waiting, of the end while lingering
        uint32_t watched = nowhere;  // its place in the list of those that tick() looks at
        uint32_t discarded = 0;      // bytes, while lingering
        dsl::Address source;         // whose place at the quota it has
        bool stuck = false;          // it does not take what was written, and is not read from
        bool held = false;           // publications find no room, and it is not read from
        bool waiting = false;        // a backend takes too slowly what it says, and it is not read from
        bool half_closed = false;    // it has said all, and is owed an answer
        bool plainly = false;        // it spoke HTTP where there is TLS
        bool lingering = false;      // unknown to the gateway: its last byte is written
    };

    [[nodiscard]] bool may_read(Connection& connection);
    [[nodiscard]] bool received(Connection& connection, std::span<char> bytes);
    [[nodiscard]] bool writeable(Connection& connection);
    [[nodiscard]] bool finished(Connection& connection);
    void gone(Connection& connection);
    void tls_failed(const Connection& connection);
    [[nodiscard]] Connection* find(ConnectionId id) const;
    void prefetch(ConnectionId id) const;
    [[nodiscard]] bool flush(Connection& connection);
    [[nodiscard]] bool write_some(Connection& connection, SendQueue& queue);
    void finish(Connection& connection);
    void pause_reading(Connection& connection);
    void resume_reading(Connection& connection);
    void wait_for_backend(Connection& connection);
    void end_waiting(Connection& connection);
    void watch(Connection& connection);
    void unwatch(Connection& connection);
    void forget(Connection& connection);
    [[nodiscard]] bool must_end(Connection& connection);

    Parts parts_;
    const int64_t handshake_timeout_ms_;
    std::unique_ptr<LwsCarriers> lws_;   // null: no listener has had TLS
    std::vector<Connection*> by_index_;  // of the gateway's id; a connection belongs to itself
    std::vector<Connection*> watched_;   // stuck, waiting or lingering
    std::deque<ConnectionId> held_;      // in the order in which they were; some may be gone
    std::vector<char> scratch_;
    std::vector<char> read_buffer_;
    size_t sockets_ = 0;
    int64_t next_check_ms_ = 0;
};

// Those that libwebsockets does not let go at once end with its context.
Transports::Impl::~Impl() {
    for (Connection* connection : std::vector(by_index_)) {
        if (connection != nullptr) connection->carrier->close();
    }
    for (Connection* connection : std::vector(watched_)) connection->carrier->close();
}

Result<size_t> Transports::Impl::add_side(Side side) {
    if (!lws_) {
        auto carriers = LwsCarriers::create(parts_.loop, handshake_timeout_ms_);
        if (!carriers) return failure(carriers.error());
        lws_ = std::move(*carriers);
    }
    return lws_->add(std::move(side));
}

// --- events ---

void Transports::Impl::adopt(FileDescriptor socket, size_t side, const Peer& peer) {
    const ConnectionId id = parts_.gateway.opened(peer, parts_.now);
    Connection& connection = *std::make_unique<Connection>(*this, id, peer.ip).release();
    if (id.index >= by_index_.size()) by_index_.resize(id.index + 1);
    by_index_[id.index] = &connection;
    ++sockets_;
    if (side == plain) {
        connection.carrier =
            std::make_unique<PlainCarrier>(parts_.loop, std::move(socket), read_buffer_, connection);
    } else {
        lws_->adopt(std::move(socket), side, connection, connection.carrier);
    }
}

bool Transports::Impl::may_read(Connection& connection) {
    if (!parts_.gateway.may_read(connection.id)) {
        wait_for_backend(connection);
        return false;
    }
    if (!parts_.pressure.high() || connection.held || connection.lingering) return !connection.held;
    if (!parts_.gateway.hold(connection.id)) return true;
    connection.held = true;
    held_.push_back(connection.id);
    parts_.counters.publisher_pauses.add();
    connection.carrier->read(false);
    return false;
}

// In turn: the connection that was held first goes on first.
bool Transports::Impl::read_again() {
    for (int others = 0; others < read_again_at_once && !held_.empty() && !parts_.pressure.high();) {
        Connection* connection = find(held_.front());
        held_.pop_front();
        if (connection == nullptr) continue;
        parts_.gateway.go_on(connection->id, parts_.now);
        connection->held = false;
        connection->carrier->read(!connection->stuck && !connection->waiting);
        ++others;
    }
    return !held_.empty() && !parts_.pressure.high();
}

bool Transports::Impl::received(Connection& connection, std::span<char> bytes) {
    if (connection.lingering) {
        connection.discarded += static_cast<uint32_t>(bytes.size());
        return connection.discarded <= linger_bytes;
    }
    // Each of them would cost more than it tells.
    constexpr uint32_t measured = 16;
    if (++received_ % measured != 0) {
        parts_.gateway.received(connection.id, bytes, parts_.now);
        return true;
    }
    const int64_t before_us = steady_us();
    parts_.gateway.received(connection.id, bytes, parts_.now);
    parts_.counters.decision_time.add(steady_us() - before_us);
    return true;
}

bool Transports::Impl::writeable(Connection& connection) {
    if (connection.lingering) return true;
    connection.since_ms = parts_.now.steady_ms;
    return flush(connection);
}

bool Transports::Impl::finished(Connection& connection) {
    if (connection.lingering || !parts_.gateway.finished(connection.id, parts_.now)) return false;
    connection.half_closed = true;
    watch(connection);
    return true;
}

void Transports::Impl::gone(Connection& connection) {
    unwatch(connection);
    if (!connection.lingering) {
        forget(connection);
        parts_.gateway.closed(connection.id, parts_.now);
    }
    if (!connection.carrier->ready()) tls_failed(connection);
    --sockets_;
    parts_.quota.leave_place(connection.source);
    parts_.quota.leave();
    const std::unique_ptr<Connection> end(&connection);
}

// Silence, bytes that are no TLS, a certificate that is not accepted: lws does not say which.
void Transports::Impl::tls_failed(const Connection& connection) {
    parts_.counters.tls_failed.add();
    Event event{"tls-failed",
                connection.plainly
                    ? "plain HTTP was spoken to a listener with TLS; ask with https:// or wss://"
                    : "a connection ended before TLS was agreed"};
    event.of_client = true;
    parts_.report(event.with("ip", connection.source.text()));
}

Transports::Impl::Connection* Transports::Impl::find(ConnectionId id) const {
    if (id.index >= by_index_.size()) return nullptr;
    Connection* connection = by_index_[id.index];
    return connection != nullptr && connection->id == id ? connection : nullptr;
}

// Its memory is on its way while another one is written to.
void Transports::Impl::prefetch(ConnectionId id) const {
    constexpr size_t line = 64;
    const Connection* connection = id.index < by_index_.size() ? by_index_[id.index] : nullptr;
    if (connection == nullptr) return;
    const auto* bytes = reinterpret_cast<const char*>(connection);
    for (size_t at = 0; at < sizeof(Connection); at += line) __builtin_prefetch(bytes + at, 1);
}

void Transports::Impl::forget(Connection& connection) {
    by_index_[connection.id.index] = nullptr;
}

// --- output ---

void Transports::Impl::work_off() {
    Actions& actions = parts_.gateway.actions();
    // By index: closing one connection may give another something to do.
    for (size_t i = 0; i < actions.flush.size(); ++i) {
        if (i + 1 < actions.flush.size()) prefetch(actions.flush[i + 1]);
        Connection* connection = find(actions.flush[i]);
        if (connection != nullptr && !flush(*connection)) connection->carrier->close();
    }
    for (size_t i = 0; i < actions.abort.size(); ++i) {
        if (Connection* connection = find(actions.abort[i])) connection->carrier->close();
    }
    for (const ConnectionId id : std::exchange(actions.to_read, {})) {
        if (Connection* connection = find(id)) end_waiting(*connection);
    }
    for (const Event& event : actions.events) parts_.report(event);
    actions.flush.clear();
    actions.abort.clear();
    actions.events.clear();
}

// Writes what is queued, as far as the socket takes it. False: the connection cannot be used any more.
bool Transports::Impl::flush(Connection& connection) {
    const ConnectionId id = connection.id;
    SendQueue* queue = parts_.gateway.output(id);
    if (queue == nullptr) return true;
    // Nothing can be written in the middle of a TLS handshake, and nothing was asked for yet.
    if (!connection.carrier->ready()) return !parts_.gateway.closing(id);

    for (int writes = 0; !queue->empty() && !connection.carrier->full(); ++writes) {
        if (writes == writes_per_turn) {
            connection.carrier->ask_writeable();
            return true;
        }
        if (!write_some(connection, *queue)) return false;
    }
    if (connection.carrier->full()) {
        pause_reading(connection);
        if (!queue->empty()) parts_.gateway.blocked(id, parts_.now);
        return true;
    }
    resume_reading(connection);
    const bool all_said = connection.half_closed && !parts_.gateway.owes_answer(id);
    // Both have said their end, and nothing is unread that could turn ours into a reset.
    if (all_said && connection.carrier->peer_finished()) return false;
    if (all_said || parts_.gateway.closing(id)) finish(connection);
    return true;
}

bool Transports::Impl::write_some(Connection& connection, SendQueue& queue) {
    const std::string_view bytes = queue.gather(scratch_, write_size);
    parts_.counters.writes.add();
    const auto taken = connection.carrier->write(bytes);
    if (!taken) return false;
    if (*taken == 0) return true;
    queue.consume(*taken);
    parts_.gateway.sent(connection.id, *taken, parts_.now);
    return true;
}

// A peer that does not read is not read from, either. lws 4.1 and 4.3 do not read while part of a write is
// pending, but leave the descriptor readable: a peer that sends, or half-closes, would have the loop spin.
// That it is gone altogether shows in the write; the rest is must_end()'s.
void Transports::Impl::pause_reading(Connection& connection) {
    if (std::exchange(connection.stuck, true)) return;
    connection.since_ms = parts_.now.steady_ms;
    connection.carrier->read(false);
    watch(connection);
}

void Transports::Impl::resume_reading(Connection& connection) {
    if (!connection.stuck) return;
    connection.stuck = false;
    connection.carrier->read(!connection.held && !connection.waiting);
    if (!connection.waiting && !connection.half_closed) unwatch(connection);
}

// Nothing of it is read, so that its end does not show by itself: see must_end().
void Transports::Impl::wait_for_backend(Connection& connection) {
    connection.carrier->read(false);
    if (std::exchange(connection.waiting, true) || connection.stuck || connection.lingering) return;
    connection.since_ms = parts_.now.steady_ms;
    watch(connection);
}

void Transports::Impl::end_waiting(Connection& connection) {
    connection.waiting = false;
    if (!connection.stuck && !connection.lingering && !connection.half_closed) unwatch(connection);
    if (!connection.held) connection.carrier->read(!connection.stuck);
}

// The last byte is written. To close() now would reset the connection if the peer has sent something that we
// have not read, and the reset may overtake our last bytes; so say that we are finished and wait a little for
// the peer to close.
void Transports::Impl::finish(Connection& connection) {
    forget(connection);
    parts_.gateway.closed(connection.id, parts_.now);
    connection.lingering = true;
    connection.since_ms = parts_.now.steady_ms;
    watch(connection);
    connection.carrier->read(true);
    connection.carrier->end_output();
}

// --- what hangs ---

void Transports::Impl::watch(Connection& connection) {
    if (connection.watched != nowhere) return;
    connection.watched = static_cast<uint32_t>(watched_.size());
    watched_.push_back(&connection);
}

void Transports::Impl::unwatch(Connection& connection) {
    if (connection.watched == nowhere) return;
    Connection* last = watched_.back();
    watched_[connection.watched] = last;
    last->watched = connection.watched;
    watched_.pop_back();
    connection.watched = nowhere;
}

bool Transports::Impl::must_end(Connection& connection) {
    const int64_t waited = parts_.now.steady_ms - connection.since_ms;
    if (connection.lingering) return waited >= linger_ms;
    // That it is gone altogether is always told.
    if (connection.half_closed)
        return (connection.stuck && waited >= stuck_ms) || shows(*connection.carrier, 0);
    if (waited < stuck_half_closed_ms) return false;
    if (connection.stuck && waited >= stuck_ms) return true;
    return shows(*connection.carrier, POLLRDHUP) && !finished(connection);
}

void Transports::Impl::tick() {
    if (lws_) lws_->tick();
    if (parts_.now.steady_ms < next_check_ms_) return;
    next_check_ms_ = parts_.now.steady_ms + stuck_check_ms;
    for (size_t i = watched_.size();
         i-- > 0;) {  // downwards: one that goes is replaced by one that was looked at
        Connection& connection = *watched_[i];
        if (connection.stuck) parts_.gateway.blocked(connection.id, parts_.now);  // time passes for it
        if (!must_end(connection)) continue;
        if (connection.stuck) parts_.counters.refuse(Reason::slow);
        connection.carrier->close();
    }
}

Transports::Transports(const Parts& parts, int64_t handshake_timeout_ms)
    : impl_(std::make_unique<Impl>(parts, handshake_timeout_ms)) {}
Transports::~Transports() = default;

void Transports::adopt(FileDescriptor socket, size_t side, const Peer& peer) {
    impl_->adopt(std::move(socket), side, peer);
}
Result<size_t> Transports::add_side(Side side) {
    return impl_->add_side(std::move(side));
}
void Transports::remove_side(size_t side) {
    impl_->remove_side(side);
}
void Transports::replace(size_t side, std::shared_ptr<const TlsSide> tls) {
    impl_->replace(side, std::move(tls));
}
void Transports::work_off() {
    impl_->work_off();
}
void Transports::tick() {
    impl_->tick();
}
bool Transports::read_again() {
    return impl_->read_again();
}
size_t Transports::sockets() const {
    return impl_->sockets();
}

}  // namespace wayleave
