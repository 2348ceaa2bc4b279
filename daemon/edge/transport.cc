#include "daemon/edge/transport.h"

#include <libwebsockets.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include "daemon/edge/certificate.h"

namespace wayleave {

namespace {

// lws buffers what the socket does not take, so this is also the most that one slow reader holds in lws. More
// would make lws spin when a peer half-closes meanwhile (measured with several MB).
constexpr size_t max_write = 65536;
// Then others have their turn.
constexpr int writes_per_turn = 4;
// Reads of one event. At least one TLS record, or lws would walk its table of descriptors to serve what is
// left in OpenSSL's buffer. One for each worker.
constexpr unsigned read_buffer = 65536;

// Without progress of a write for so long, the peer is not slow but gone; sooner if it has said that it is
// finished.
constexpr int64_t stuck_ms = 30'000;
constexpr int64_t stuck_half_closed_ms = 5'000;
constexpr int64_t stuck_check_ms = 1'000;
// How long a peer may take to close after our last byte, and how much it may still send.
constexpr int64_t linger_ms = 2'000;
constexpr size_t linger_bytes = 1 << 20;

constexpr uint32_t nowhere = UINT32_MAX;

struct Connection {
    struct lws* wsi = nullptr;
    ConnectionId id;
    int64_t since_ms = 0;        // of the last progress while stuck; of the last byte while lingering
    uint32_t watched = nowhere;  // its place in the list of those that tick() looks at
    uint32_t discarded = 0;      // bytes, while lingering
    dsl::Address source;         // whose place at the door it has
    bool tls = false;
    bool heard = false;  // something came: TLS is complete
    bool reading = true;
    bool lingering = false;  // unknown to the gateway: its last byte is written
};

// lws_create_context() and lws_context_destroy() share state between contexts: with TLS, four threads at it
// crashed.
std::mutex& context_mutex() {
    static std::mutex mutex;
    return mutex;
}

// lws's own log has no user pointer. What it says goes to the worker on whose thread it is said, or is kept
// for the error of create().
thread_local const EdgeReport* report_here = nullptr;
thread_local std::string* keep_here = nullptr;

void take_lws_line(int level, const char* line) noexcept {
    std::string text(line);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (keep_here != nullptr) {
        if (!keep_here->empty()) *keep_here += "; ";
        *keep_here += text;
    } else if (report_here != nullptr) {
        const auto severity = level == LLL_ERR ? EdgeSeverity::error : EdgeSeverity::warning;
        (*report_here)({severity, "libwebsockets", std::move(text)});
    }
}

// Where the context of the TLS side that is being made is to be noted: lws tells it by a call back.
thread_local ssl_ctx_st** context_here = nullptr;

class KeepLwsLines {
  public:
    KeepLwsLines() { keep_here = &lines_; }
    ~KeepLwsLines() { keep_here = nullptr; }
    KeepLwsLines(const KeepLwsLines&) = delete;
    KeepLwsLines& operator=(const KeepLwsLines&) = delete;

    [[nodiscard]] const std::string& lines() const { return lines_; }

  private:
    std::string lines_;
};

}  // namespace

class Transports::Impl {
  public:
    explicit Impl(const Parts& parts) : parts_(parts) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Status open(std::vector<Side> tls, int64_t handshake_timeout_ms);
    void replace(size_t side, std::shared_ptr<const TlsSide> tls);
    void adopt(FileDescriptor socket, size_t side, const Peer& peer);
    void work_off();
    void tick();
    [[nodiscard]] size_t sockets() const { return sockets_; }

  private:
    static int on_event(struct lws* wsi, lws_callback_reasons reason, void* user, void* in,
                        size_t size) noexcept;
    // Nonzero: lws is to close the connection.
    int received(Connection& connection, std::span<char> bytes);
    int writeable(Connection& connection);
    void gone(Connection& connection);

    // A side as OpenSSL's call backs know it: they hold its address.
    struct TlsSlot {
        TlsFiles files;
        std::shared_ptr<const TlsSide> side;
        ssl_ctx_st* context = nullptr;  // libwebsockets' own; it outlives the slot
    };
    static int on_hello(SSL* ssl, int* alert, void* slot) noexcept;
    Status add_vhost(const std::string& name, TlsSlot* tls);
    void tell_gateway(Connection& connection);
    void tls_failed(const Connection& connection);
    [[nodiscard]] Connection* find(ConnectionId id) const;
    [[nodiscard]] bool flush(Connection& connection);
    void finish(Connection& connection);
    void kill(Connection& connection);
    void pause_reading(Connection& connection);
    void resume_reading(Connection& connection);
    void watch(Connection& connection);
    void unwatch(Connection& connection);
    void forget(Connection& connection);
    [[nodiscard]] bool must_end(const Connection& connection) const;

    Parts parts_;
    // lws keeps pointers to these.
    std::array<lws_protocols, 2> protocols_{};
    std::array<void*, 1> loops_{};
    lws_context* context_ = nullptr;
    std::vector<std::unique_ptr<TlsSlot>> slots_;
    std::vector<lws_vhost*> tls_;  // lws owns them
    lws_vhost* plain_ = nullptr;

    std::vector<Connection*> by_index_;  // of the gateway's id; the connection belongs to its wsi
    std::vector<Connection*> watched_;   // stuck or lingering
    Connection* adopting_ = nullptr;
    std::vector<char> scratch_;
    size_t sockets_ = 0;
    int64_t next_check_ms_ = 0;
};

// What lws calls. noexcept: an exception here is a bug, and there is no way for it through C.
int Transports::Impl::on_event(struct lws* wsi, lws_callback_reasons reason, void* user, void* in,
                               size_t size) noexcept {
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS && context_here != nullptr)
        *context_here = static_cast<ssl_ctx_st*>(user);
    if (reason != LWS_CALLBACK_RAW_ADOPT && reason != LWS_CALLBACK_RAW_RX &&
        reason != LWS_CALLBACK_RAW_WRITEABLE && reason != LWS_CALLBACK_RAW_CLOSE) {
        return 0;
    }
    auto* connection = static_cast<Connection*>(lws_get_opaque_user_data(wsi));
    if (connection == nullptr) return 0;
    connection->wsi = wsi;
    auto& self = *static_cast<Impl*>(lws_context_user(lws_get_context(wsi)));
    switch (reason) {
        case LWS_CALLBACK_RAW_RX: return self.received(*connection, {static_cast<char*>(in), size});
        case LWS_CALLBACK_RAW_WRITEABLE: return self.writeable(*connection);
        case LWS_CALLBACK_RAW_CLOSE: self.gone(*connection); return 0;
        default: return 0;
    }
}

Transports::Impl::~Impl() {
    if (context_ == nullptr) return;
    const std::lock_guard lock(context_mutex());
    lws_context_destroy(context_);
}

Status Transports::Impl::open(std::vector<Side> tls, int64_t handshake_timeout_ms) {
    const std::lock_guard lock(context_mutex());
    lws_set_log_level(LLL_ERR | LLL_WARN, take_lws_line);
    const KeepLwsLines kept;

    protocols_[0].name = "raw";
    protocols_[0].callback = on_event;
    protocols_[0].tx_packet_size = max_write;
    loops_[0] = parts_.loop.raw();

    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (!tls.empty()) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.foreign_loops = loops_.data();
    info.pt_serv_buf_size = read_buffer;
    info.timeout_secs = static_cast<unsigned>((handshake_timeout_ms + 999) / 1000);  // of the TLS handshake
    info.user = this;
    context_ = lws_create_context(&info);
    if (context_ == nullptr) return failure("libwebsockets cannot start: " + kept.lines());

    for (size_t i = 0; i <= tls.size(); ++i) {
        TlsSlot* slot = nullptr;
        if (i < tls.size()) {
            slots_.push_back(
                std::make_unique<TlsSlot>(TlsSlot{tls[i].files, std::move(tls[i].tls), nullptr}));
            slot = slots_.back().get();
        }
        if (auto added = add_vhost(slot ? "tls-" + std::to_string(i) : "plain", slot); !added) {
            return failure(added.error() + (kept.lines().empty() ? "" : " (" + kept.lines() + ")"));
        }
    }
    return success();
}

Status Transports::Impl::add_vhost(const std::string& name, TlsSlot* tls) {
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = name.c_str();
    info.protocols = protocols_.data();
    if (tls != nullptr) {
        // Without the last two lws also makes the client's side of TLS, reads all CA certificates of the
        // system for it, and never frees it when there are several contexts.
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
                       LWS_SERVER_OPTION_ADOPT_APPLY_LISTEN_ACCEPT_CONFIG;
        info.ssl_cert_filepath = tls->files.certificate.c_str();
        info.ssl_private_key_filepath = tls->files.key.c_str();
        info.alpn = "http/1.1";  // never h2: we parse the bytes ourselves
        info.ssl_options_set =
            SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
        context_here = &tls->context;
    }
    lws_vhost* vhost = lws_create_vhost(context_, &info);
    context_here = nullptr;
    if (vhost == nullptr || (tls != nullptr && tls->context == nullptr)) {
        return failure(tls == nullptr ? "libwebsockets cannot make a virtual host"
                                      : tls->files.certificate + ", " + tls->files.key +
                                            ": libwebsockets cannot use them for TLS");
    }
    (tls == nullptr ? plain_ : tls_.emplace_back()) = vhost;
    if (tls == nullptr) return success();
    tls->side->prepare(tls->context);
    SSL_CTX_set_client_hello_cb(tls->context, on_hello, tls);
    return success();
}

// lws has made the connection with the certificate that the side began with; ours take its place. On the
// worker's thread, like everything here.
int Transports::Impl::on_hello(SSL* ssl, int* alert, void* slot) noexcept {
    if (static_cast<TlsSlot*>(slot)->side->choose(ssl)) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

void Transports::Impl::replace(size_t side, std::shared_ptr<const TlsSide> tls) {
    slots_[side]->side = std::move(tls);
    slots_[side]->side->prepare(slots_[side]->context);
}

void Transports::Impl::tell_gateway(Connection& connection) {
    const SSL* ssl = lws_get_ssl(connection.wsi);
    std::shared_ptr<const std::string> claims;
    if (const X509* certificate = SSL_get0_peer_certificate(ssl)) {
        if (auto text = claims_of_certificate(certificate))
            claims = std::make_shared<const std::string>(std::move(*text));
    }
    ERR_clear_error();  // a certificate that is not understood leaves something behind
    parts_.gateway.secured(connection.id, static_cast<uint16_t>(SSL_version(ssl)), std::move(claims));
}

Connection* Transports::Impl::find(ConnectionId id) const {
    if (id.index >= by_index_.size()) return nullptr;
    Connection* connection = by_index_[id.index];
    return connection != nullptr && connection->id == id ? connection : nullptr;
}

void Transports::Impl::adopt(FileDescriptor socket, size_t side, const Peer& peer) {
    auto connection = std::make_unique<Connection>();
    connection->id = parts_.gateway.opened(peer, parts_.now);
    connection->source = peer.ip;
    connection->tls = side != plain;
    const uint32_t index = connection->id.index;
    if (index >= by_index_.size()) by_index_.resize(index + 1);
    by_index_[index] = connection.get();
    ++sockets_;

    lws_adopt_desc_t description{};
    description.vh = side == plain ? plain_ : tls_[side];
    description.type = side == plain
                           ? LWS_ADOPT_SOCKET
                           : static_cast<lws_adoption_type>(int{LWS_ADOPT_SOCKET} | int{LWS_ADOPT_ALLOW_SSL});
    description.fd.sockfd = socket.release();  // lws closes it, whatever happens
    adopting_ = connection.release();
    description.opaque = adopting_;
    struct lws* wsi = lws_adopt_descriptor_vhost_via_info(&description);
    Connection* adopted = std::exchange(adopting_, nullptr);
    if (adopted == nullptr) return;  // it came and went, and gone() was called
    if (wsi == nullptr) return gone(*adopted);
    adopted->wsi = wsi;
}

int Transports::Impl::received(Connection& connection, std::span<char> bytes) {
    if (!connection.heard) {
        connection.heard = true;
        lws_set_timeout(connection.wsi, NO_PENDING_TIMEOUT, 0);  // TLS leaves the accept time-out armed
        if (connection.tls) tell_gateway(connection);
    }
    if (connection.lingering) {
        connection.discarded += static_cast<uint32_t>(bytes.size());
        return connection.discarded > linger_bytes ? -1 : 0;
    }
    parts_.gateway.received(connection.id, bytes, parts_.now);
    return 0;
}

int Transports::Impl::writeable(Connection& connection) {
    if (connection.lingering) return 0;
    connection.since_ms = parts_.now.steady_ms;
    return flush(connection) ? 0 : -1;
}

void Transports::Impl::gone(Connection& connection) {
    if (adopting_ == &connection) adopting_ = nullptr;
    if (connection.wsi != nullptr) lws_set_opaque_user_data(connection.wsi, nullptr);
    unwatch(connection);
    if (!connection.lingering) {
        forget(connection);
        parts_.gateway.closed(connection.id, parts_.now);
    }
    if (connection.tls && !connection.heard) tls_failed(connection);
    --sockets_;
    parts_.door.leave_place(connection.source);
    parts_.door.leave();
    delete &connection;  // it belonged to the wsi
}

// Silence, plain bytes, a certificate that is not accepted: lws does not say which.
void Transports::Impl::tls_failed(const Connection& connection) {
    parts_.counters.tls_failed.add();
    parts_.report({EdgeSeverity::info, "tls-failed",
                   "a connection of " + connection.source.text() + " ended before TLS was agreed"});
}

void Transports::Impl::forget(Connection& connection) {
    by_index_[connection.id.index] = nullptr;
}

// Outside of lws's callbacks only: the wsi is freed on the way, and gone() called.
void Transports::Impl::kill(Connection& connection) {
    lws_set_timeout(connection.wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

void Transports::Impl::work_off() {
    Actions& actions = parts_.gateway.actions();
    // By index: closing one connection may give another something to do.
    for (size_t i = 0; i < actions.flush.size(); ++i) {
        Connection* connection = find(actions.flush[i]);
        if (connection != nullptr && !flush(*connection)) kill(*connection);
    }
    for (size_t i = 0; i < actions.abort.size(); ++i) {
        if (Connection* connection = find(actions.abort[i])) kill(*connection);
    }
    for (Notice& notice : actions.notices)
        parts_.report({EdgeSeverity::info, notice.event, std::move(notice.text)});
    actions.flush.clear();
    actions.abort.clear();
    actions.notices.clear();
}

// Writes what is queued, as far as the socket takes it. False: the connection cannot be used any more.
bool Transports::Impl::flush(Connection& connection) {
    const ConnectionId id = connection.id;
    SendQueue* queue = parts_.gateway.output(id);
    if (queue == nullptr) return true;
    // Nothing can be written in the middle of a TLS handshake, and nothing was asked for yet.
    if (connection.tls && !connection.heard) return !parts_.gateway.closing(id);

    for (int writes = 0; !queue->empty(); ++writes) {
        if (lws_partial_buffered(connection.wsi)) {
            pause_reading(connection);  // lws calls writeable() by itself
            parts_.gateway.blocked(id, parts_.now);
            return true;
        }
        if (writes == writes_per_turn) {
            lws_callback_on_writable(connection.wsi);
            return true;
        }
        const std::string_view bytes = queue->gather(scratch_, max_write);
        // lws neither changes nor keeps the bytes of a RAW write; its signature is older than const.
        auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
        const size_t size = bytes.size();
        parts_.counters.writes.add();
        if (lws_write(connection.wsi, data, size, LWS_WRITE_RAW) < 0) return false;
        queue->consume(size);
        parts_.gateway.sent(id, size, parts_.now);
    }
    if (lws_partial_buffered(connection.wsi)) {
        pause_reading(connection);
        return true;
    }
    resume_reading(connection);
    if (parts_.gateway.closing(id)) finish(connection);
    return true;
}

// lws 4.1 and 4.3 do not read while part of a write is pending, but leave the descriptor readable: a peer
// that sends, or half-closes, would have the loop spin. So we neither read nor look, which is also the right
// answer to a peer that does not read. That it is gone altogether shows in the write; the rest is
// must_end()'s.
void Transports::Impl::pause_reading(Connection& connection) {
    if (!connection.reading) return;
    connection.reading = false;
    connection.since_ms = parts_.now.steady_ms;
    lws_rx_flow_control(connection.wsi, 0);
    watch(connection);
}

void Transports::Impl::resume_reading(Connection& connection) {
    if (connection.reading) return;
    connection.reading = true;
    lws_rx_flow_control(connection.wsi, 1);
    unwatch(connection);
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
    // close_notify; to many clients its absence is an error.
    if (connection.tls) SSL_shutdown(lws_get_ssl(connection.wsi));
    shutdown(lws_get_socket_fd(connection.wsi), SHUT_WR);
}

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

bool Transports::Impl::must_end(const Connection& connection) const {
    const int64_t waited = parts_.now.steady_ms - connection.since_ms;
    if (connection.lingering) return waited >= linger_ms;
    if (waited < stuck_half_closed_ms) return false;
    if (waited >= stuck_ms) return true;
    pollfd half{};
    half.fd = lws_get_socket_fd(connection.wsi);
    half.events = POLLRDHUP;
    return poll(&half, 1, 0) == 1;
}

void Transports::Impl::tick() {
    lws_cancel_service(context_);  // the libev plug-in never re-arms its timer to an earlier time
    if (parts_.now.steady_ms < next_check_ms_) return;
    next_check_ms_ = parts_.now.steady_ms + stuck_check_ms;
    for (size_t i = watched_.size(); i-- > 0;) {  // downwards: who goes is replaced by one that was looked at
        Connection& connection = *watched_[i];
        if (!connection.lingering) parts_.gateway.blocked(connection.id, parts_.now);  // time passes for it
        if (!must_end(connection)) continue;
        if (!connection.lingering) parts_.counters.refuse(Reason::slow);
        kill(connection);
    }
}

Result<std::unique_ptr<Transports>> Transports::create(const Parts& parts, std::vector<Side> tls,
                                                       int64_t handshake_timeout_ms) {
    auto impl = std::make_unique<Impl>(parts);
    if (auto opened = impl->open(std::move(tls), handshake_timeout_ms); !opened)
        return failure(opened.error());
    return std::unique_ptr<Transports>(new Transports(std::move(impl)));
}

Transports::Transports(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transports::~Transports() = default;

void Transports::report_on_this_thread(const EdgeReport& report) {
    report_here = &report;
}

void Transports::adopt(FileDescriptor socket, size_t side, const Peer& peer) {
    impl_->adopt(std::move(socket), side, peer);
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
size_t Transports::sockets() const {
    return impl_->sockets();
}

}  // namespace wayleave
