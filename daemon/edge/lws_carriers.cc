#include "daemon/edge/lws_carriers.h"

#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/edge/certificate.h"

namespace wayleave {

namespace {

// lws buffers what the socket does not take, so this is also the most that one slow reader holds in lws. More
// would make lws spin when a peer half-closes meanwhile (measured with several MB).
constexpr size_t carrier_write = 65536;
// Reads of one event. At least one TLS record, or lws would walk its table of descriptors to serve what is
// left in OpenSSL's buffer. One for each worker.
constexpr unsigned carrier_read = 65536;

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
        const auto severity = level == LLL_ERR ? Severity::error : Severity::warning;
        (*report_here)({"libwebsockets", std::move(text), severity});
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

// Plain HTTP at a port with TLS is answered in plain HTTP, before OpenSSL gives up: it is asked by a person
// or a health check. All that has arrived is read first, because closing a socket with unread bytes resets
// the connection and may take our answer with it.
void on_tls_state(const SSL* ssl, int where, int result) noexcept {
    if ((where & SSL_CB_EXIT) == 0 || result > 0) return;
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason != SSL_R_HTTP_REQUEST && reason != SSL_R_HTTPS_PROXY_REQUEST) return;
    constexpr std::string_view answer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 53\r\n"
        "Connection: close\r\nCache-Control: no-store\r\n\r\n"
        "this port speaks TLS; ask with https:// or with wss:\n";
    std::array<char, 8192> unread;  // NOLINT: never looked at
    const int fd = SSL_get_fd(ssl);
    (void)recv(fd, unread.data(), unread.size(), MSG_DONTWAIT);
    (void)send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    static int plain = 0;  // its address is the mark; OpenSSL's state is const here, ours is not
    SSL_set_app_data(const_cast<SSL*>(ssl), &plain);
}

class LwsCarrier final : public Carrier {
  public:
    // `adopting` points to it until it has a wsi or is gone; `siblings` counts it until then.
    LwsCarrier(CarrierEvents& events, LwsCarrier*& adopting, size_t& siblings)
        : events_(events), adopting_(adopting), siblings_(siblings) {
        adopting_ = this;
        ++siblings_;
    }
    ~LwsCarrier() override;

    [[nodiscard]] bool ready() const override { return heard_; }
    [[nodiscard]] std::optional<size_t> write(std::string_view bytes) override;
    [[nodiscard]] bool full() const override { return lws_partial_buffered(wsi_) != 0; }
    void ask_writeable() override { lws_callback_on_writable(wsi_); }
    void read(bool on) override { lws_rx_flow_control(wsi_, on ? 1 : 0); }
    void end_output() override;
    void close() override;
    [[nodiscard]] int descriptor() const override { return lws_get_socket_fd(wsi_); }

    // What lws tells. Nonzero: it is to close the connection.
    int received(std::span<char> bytes);
    int writeable() { return events_.writeable() ? 0 : -1; }
    void gone() {
        if (wsi_ != nullptr && spoke_plainly()) events_.spoke_plainly();
        events_.gone();
    }
    void belongs_to(struct lws* wsi) { wsi_ = wsi; }

  private:
    void tell_of_tls();
    [[nodiscard]] bool spoke_plainly() const {
        const SSL* ssl = lws_get_ssl(wsi_);
        return ssl != nullptr && SSL_get_app_data(ssl) != nullptr;
    }

    CarrierEvents& events_;
    LwsCarrier*& adopting_;
    size_t& siblings_;  // of its side
    struct lws* wsi_ = nullptr;
    bool heard_ = false;  // something came: TLS is complete
};

LwsCarrier::~LwsCarrier() {
    --siblings_;
    if (adopting_ == this) adopting_ = nullptr;
    if (wsi_ != nullptr) lws_set_opaque_user_data(wsi_, nullptr);
}

// All is taken: lws keeps what the socket does not take. Callers know full().
std::optional<size_t> LwsCarrier::write(std::string_view bytes) {
    bytes = bytes.substr(0, carrier_write);
    // lws neither changes nor keeps the bytes of a RAW write; its signature is older than const.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    if (lws_write(wsi_, data, bytes.size(), LWS_WRITE_RAW) < 0) return std::nullopt;
    return bytes.size();
}

void LwsCarrier::end_output() {
    SSL_shutdown(lws_get_ssl(wsi_));  // close_notify; to many clients its absence is an error
    (void)shutdown(descriptor(), SHUT_WR);
}

// The wsi is freed on the way, and gone() called.
void LwsCarrier::close() {
    lws_set_timeout(wsi_, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

int LwsCarrier::received(std::span<char> bytes) {
    if (!heard_) {
        heard_ = true;
        lws_set_timeout(wsi_, NO_PENDING_TIMEOUT, 0);  // TLS leaves the accept time-out armed
        tell_of_tls();
    }
    if (!events_.received(bytes)) return -1;
    (void)events_.may_read();  // of the next time: lws has read before it tells
    return 0;
}

void LwsCarrier::tell_of_tls() {
    const SSL* ssl = lws_get_ssl(wsi_);
    std::shared_ptr<const std::string> claims;
    if (const X509* certificate = SSL_get0_peer_certificate(ssl)) {
        if (auto text = claims_of_certificate(certificate))
            claims = std::make_shared<const std::string>(std::move(*text));
    }
    ERR_clear_error();  // a certificate that is not understood leaves something behind
    events_.secured(static_cast<uint16_t>(SSL_version(ssl)), std::move(claims));
}

}  // namespace

class LwsCarriers::Impl {
  public:
    explicit Impl(Loop& loop) : loop_(loop) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Status open(int64_t handshake_timeout_ms);
    Result<size_t> add(Side side);
    void remove(size_t side) { slots_[side]->removed = true; }
    void replace(size_t side, std::shared_ptr<const TlsSide> tls);
    void adopt(FileDescriptor socket, size_t side, CarrierEvents& events, std::unique_ptr<Carrier>& place);
    void tick();

  private:
    static int on_event(struct lws* wsi, lws_callback_reasons reason, void* user, void* in,
                        size_t size) noexcept;
    // A side as OpenSSL's call backs know it: they hold its address.
    struct TlsSlot {
        TlsFiles files;
        std::shared_ptr<const TlsSide> side;
        ssl_ctx_st* context = nullptr;  // libwebsockets' own; it outlives the slot
        lws_vhost* vhost = nullptr;     // likewise
        size_t carriers = 0;            // that are open
        bool removed = false;           // its listener is gone
    };
    static int on_hello(SSL* ssl, int* alert, void* slot) noexcept;
    Status add_vhost(const std::string& name, TlsSlot& slot);

    Loop& loop_;
    // lws keeps pointers to these.
    std::array<lws_protocols, 2> protocols_{};
    std::array<void*, 1> loops_{};
    lws_context* context_ = nullptr;
    std::vector<std::unique_ptr<TlsSlot>> slots_;
    LwsCarrier* adopting_ = nullptr;
};

// What lws calls. noexcept: an exception here is a bug, and there is no way for it through C.
int LwsCarriers::Impl::on_event(struct lws* wsi, lws_callback_reasons reason, void* user, void* in,
                                size_t size) noexcept {
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS && context_here != nullptr)
        *context_here = static_cast<ssl_ctx_st*>(user);
    if (reason != LWS_CALLBACK_RAW_ADOPT && reason != LWS_CALLBACK_RAW_RX &&
        reason != LWS_CALLBACK_RAW_WRITEABLE && reason != LWS_CALLBACK_RAW_CLOSE) {
        return 0;
    }
    auto* carrier = static_cast<LwsCarrier*>(lws_get_opaque_user_data(wsi));
    if (carrier == nullptr) return 0;
    carrier->belongs_to(wsi);
    switch (reason) {
        case LWS_CALLBACK_RAW_RX: return carrier->received({static_cast<char*>(in), size});
        case LWS_CALLBACK_RAW_WRITEABLE: return carrier->writeable();
        case LWS_CALLBACK_RAW_CLOSE: carrier->gone(); return 0;
        default: return 0;
    }
}

LwsCarriers::Impl::~Impl() {
    if (context_ == nullptr) return;
    const std::lock_guard lock(context_mutex());
    lws_context_destroy(context_);
}

Status LwsCarriers::Impl::open(int64_t handshake_timeout_ms) {
    const std::lock_guard lock(context_mutex());
    lws_set_log_level(LLL_ERR | LLL_WARN, take_lws_line);
    const KeepLwsLines kept;

    protocols_[0].name = "raw";
    protocols_[0].callback = on_event;
    protocols_[0].tx_packet_size = carrier_write;
    loops_[0] = loop_.raw();

    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.options =
        LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.foreign_loops = loops_.data();
    info.pt_serv_buf_size = carrier_read;
    info.timeout_secs = static_cast<unsigned>((handshake_timeout_ms + 999) / 1000);  // of the TLS handshake
    info.user = this;
    context_ = lws_create_context(&info);
    if (context_ == nullptr) return failure("libwebsockets cannot start: " + kept.lines());
    return success();
}

// libwebsockets closes the connections of a host that it destroys, so a host stays for the next side: what is
// its own is replaced like the certificates of a reload.
Result<size_t> LwsCarriers::Impl::add(Side side) {
    const auto unused = std::find_if(slots_.begin(), slots_.end(),
                                     [](const auto& slot) { return slot->removed && slot->carriers == 0; });
    if (unused != slots_.end()) {
        const auto number = static_cast<size_t>(unused - slots_.begin());
        (*unused)->removed = false;
        (*unused)->files = std::move(side.files);
        replace(number, std::move(side.tls));
        return number;
    }
    const std::lock_guard lock(context_mutex());
    const KeepLwsLines kept;
    slots_.push_back(std::make_unique<TlsSlot>(TlsSlot{std::move(side.files), std::move(side.tls)}));
    if (auto added = add_vhost("tls-" + std::to_string(slots_.size() - 1), *slots_.back()); !added) {
        slots_.pop_back();
        return failure(added.error() + (kept.lines().empty() ? "" : " (" + kept.lines() + ")"));
    }
    return slots_.size() - 1;
}

Status LwsCarriers::Impl::add_vhost(const std::string& name, TlsSlot& slot) {
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = name.c_str();
    info.protocols = protocols_.data();
    // Without the last two lws also makes the client's side of TLS, reads all CA certificates of the system
    // for it, and never frees it when there are several contexts.
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
                   LWS_SERVER_OPTION_ADOPT_APPLY_LISTEN_ACCEPT_CONFIG;
    info.ssl_cert_filepath = slot.files.certificate.c_str();
    info.ssl_private_key_filepath = slot.files.key.c_str();
    info.alpn = "http/1.1";  // never h2: we parse the bytes ourselves
    info.ssl_options_set = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
    context_here = &slot.context;
    slot.vhost = lws_create_vhost(context_, &info);
    context_here = nullptr;
    if (slot.vhost == nullptr || slot.context == nullptr) {
        return failure(slot.files.certificate + ", " + slot.files.key +
                       ": libwebsockets cannot use them for TLS");
    }
    slot.side->prepare(slot.context);
    SSL_CTX_set_info_callback(slot.context, on_tls_state);
    SSL_CTX_set_client_hello_cb(slot.context, on_hello, &slot);
    return success();
}

// lws has made the connection with the certificate that the side began with; ours take its place. On the
// worker's thread, like everything here.
int LwsCarriers::Impl::on_hello(SSL* ssl, int* alert, void* slot) noexcept {
    if (static_cast<TlsSlot*>(slot)->side->choose(ssl)) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

void LwsCarriers::Impl::replace(size_t side, std::shared_ptr<const TlsSide> tls) {
    slots_[side]->side = std::move(tls);
    slots_[side]->side->prepare(slots_[side]->context);
}

void LwsCarriers::Impl::adopt(FileDescriptor socket, size_t side, CarrierEvents& events,
                              std::unique_ptr<Carrier>& place) {
    place = std::make_unique<LwsCarrier>(events, adopting_, slots_[side]->carriers);
    lws_adopt_desc_t description{};
    description.vh = slots_[side]->vhost;
    description.type = static_cast<lws_adoption_type>(int{LWS_ADOPT_SOCKET} | int{LWS_ADOPT_ALLOW_SSL});
    description.fd.sockfd = socket.release();  // lws closes it, whatever happens
    description.opaque = adopting_;
    struct lws* wsi = lws_adopt_descriptor_vhost_via_info(&description);
    LwsCarrier* adopted = std::exchange(adopting_, nullptr);
    if (adopted == nullptr) return;  // it came and went, and gone() was called
    if (wsi == nullptr) return adopted->gone();
    adopted->belongs_to(wsi);
}

void LwsCarriers::Impl::tick() {
    lws_cancel_service(context_);  // the libev plug-in never re-arms its timer to an earlier time
}

Result<std::unique_ptr<LwsCarriers>> LwsCarriers::create(Loop& loop, int64_t handshake_timeout_ms) {
    auto impl = std::make_unique<Impl>(loop);
    if (auto opened = impl->open(handshake_timeout_ms); !opened) return failure(opened.error());
    return std::unique_ptr<LwsCarriers>(new LwsCarriers(std::move(impl)));
}

LwsCarriers::LwsCarriers(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LwsCarriers::~LwsCarriers() = default;

void LwsCarriers::report_on_this_thread(const EdgeReport& report) {
    report_here = &report;
}

Result<size_t> LwsCarriers::add(Side side) {
    return impl_->add(std::move(side));
}
void LwsCarriers::remove(size_t side) {
    impl_->remove(side);
}
void LwsCarriers::replace(size_t side, std::shared_ptr<const TlsSide> tls) {
    impl_->replace(side, std::move(tls));
}
void LwsCarriers::adopt(FileDescriptor socket, size_t side, CarrierEvents& events,
                        std::unique_ptr<Carrier>& place) {
    impl_->adopt(std::move(socket), side, events, place);
}
void LwsCarriers::tick() {
    impl_->tick();
}

}  // namespace wayleave
