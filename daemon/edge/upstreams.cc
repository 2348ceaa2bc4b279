#include "daemon/edge/upstreams.h"

#include <absl/container/flat_hash_map.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "daemon/edge/client_tls.h"
#include "daemon/edge/name_resolver.h"
#include "daemon/edge/plain_carrier.h"
#include "daemon/edge/tls_client_carrier.h"

namespace wayleave {
namespace {

constexpr size_t upstream_read = 65536;
constexpr size_t upstream_write = 65536;

struct HostPort {
    std::string host;
    uint16_t port = 80;
    bool tls = false;
};

// Of a `url` that the policy's compiler has judged.
HostPort host_of(const std::string& url) {
    std::string_view rest = url;
    const bool tls = url.starts_with("https:") || url.starts_with("wss:");
    rest.remove_prefix(std::min(rest.size(), rest.find("://") + 3));
    rest = rest.substr(0, rest.find('/'));
    HostPort out;
    out.tls = tls;
    if (tls) out.port = 443;
    const bool v6 = rest.starts_with('[');
    const size_t end = v6 ? rest.find(']') : rest.rfind(':');
    out.host = std::string(v6 ? rest.substr(1, end - 1) : rest.substr(0, end));
    const size_t colon = v6 ? rest.find(':', end) : end;
    if (colon != std::string_view::npos) {
        const std::string_view port = rest.substr(colon + 1);
        std::from_chars(port.data(), port.data() + port.size(), out.port);
    }
    return out;
}

SocketAddress unix_address(const std::string& path) {
    SocketAddress out;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), std::min(path.size() + 1, sizeof address.sun_path - 1));
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = sizeof address;
    return out;
}

// Connecting. Error: why not.
Result<FileDescriptor> connect_to(const SocketAddress& address) {
    FileDescriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.open()) return failure(std::string(std::strerror(errno)));
    if (address.storage.ss_family != AF_UNIX) {
        const int on = 1;
        (void)setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    const auto* to = reinterpret_cast<const sockaddr*>(&address.storage);
    // A Unix socket whose listener has no room says EAGAIN, and nobody would tell us when it has.
    if (::connect(socket.get(), to, address.size) != 0 && errno != EINPROGRESS)
        return failure(std::string(std::strerror(errno)));
    return socket;
}

}  // namespace

class Upstreams::Impl {
  public:
    explicit Impl(const Parts& parts)
        : parts_(parts), read_buffer_(upstream_read), resolver_(parts.loop), tls_(parts.loop) {}
    ~Impl() {
        closing_ = true;
        connections_.clear();
        gone_.clear();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    bool work_off();
    [[nodiscard]] size_t sockets() const { return connections_.size(); }

  private:
    struct Connection final : CarrierEvents {
        Connection(Impl& owner, uint64_t of) : impl(owner), number(of) {}
        ~Connection() { impl.parts_.quota.leave(); }

        void secured(uint16_t, std::shared_ptr<const std::string>) override {}
        bool may_read() override {
            if (impl.parts_.gateway.upstream_may_read(number)) return true;
            carrier->read(false);
            return false;
        }
        bool received(std::span<char> bytes) override {
            impl.parts_.gateway.upstream_received(number, bytes, impl.parts_.now);
            return true;
        }
        bool writeable() override { return impl.writeable(*this); }
        void gone() override { impl.gone(*this); }

        Impl& impl;
        uint64_t number;
        HostPort to;
        std::unique_ptr<Carrier> carrier;
        const TlsClientCarrier* tls = nullptr;  // the carrier, if it is one
        bool connected = false;
        std::string why = "the connection is closed";
    };
    using Connections = absl::flat_hash_map<uint64_t, std::unique_ptr<Connection>>;

    void dial(const UpstreamDial& dial);
    void open(uint64_t number, const NameResolver::Answer& addresses);
    void secure(uint64_t number, const SocketAddress& address);
    void carry(Connection& connection, const SocketAddress& address, const ClientTls::Context& tls);
    void fail(uint64_t number, const std::string& why);
    [[nodiscard]] bool writeable(Connection& connection);
    [[nodiscard]] bool flush(Connection& connection);
    void gone(Connection& connection);
    void end(const UpstreamGoodbye& goodbye);
    void drop(uint64_t number);

    Parts parts_;
    std::vector<char> read_buffer_;
    Connections connections_;
    std::vector<std::unique_ptr<Connection>> gone_;  // whose carriers may be in the middle of a call
    size_t turn_ = 0;                                // which address of a name is taken
    bool closing_ = false;
    NameResolver resolver_;  // with the next the first to go: nobody is told any more
    ClientTls tls_;
};

bool Upstreams::Impl::work_off() {
    gone_.clear();
    if (parts_.quota.crowded()) parts_.gateway.end_idle_upstreams();
    Actions& actions = parts_.gateway.actions();
    const bool any = !actions.dials.empty() || !actions.upstreams_to_abort.empty() ||
                     !actions.upstreams_to_end.empty() || !actions.upstreams_to_read.empty() ||
                     !actions.upstreams_to_flush.empty();
    // First what begins: in one turn somebody may want a connection, and want it no more.
    for (const UpstreamDial& one : std::exchange(actions.dials, {})) dial(one);
    for (const UpstreamGoodbye& goodbye : std::exchange(actions.upstreams_to_end, {})) end(goodbye);
    for (const uint64_t number : std::exchange(actions.upstreams_to_abort, {})) drop(number);
    for (const uint64_t number : std::exchange(actions.upstreams_to_read, {})) {
        const auto it = connections_.find(number);
        if (it != connections_.end() && it->second->carrier) it->second->carrier->read(true);
    }
    for (const uint64_t number : std::exchange(actions.upstreams_to_flush, {})) {
        const auto it = connections_.find(number);
        if (it == connections_.end() || !it->second->connected || it->second->carrier->full()) continue;
        if (!flush(*it->second)) it->second->carrier->close();
    }
    return any;
}

void Upstreams::Impl::dial(const UpstreamDial& dial) {
    if (parts_.quota.enter() != ConnectionQuota::Verdict::enters)
        return parts_.gateway.upstream_gone(dial.number, "there are as many connections as there may be",
                                            parts_.now);
    connections_.emplace(dial.number, std::make_unique<Connection>(*this, dial.number));
    if (!dial.backend->socket.empty())
        return open(dial.number, std::vector{unix_address(dial.backend->socket)});
    const HostPort to = host_of(dial.backend->url);
    connections_[dial.number]->to = to;
    resolver_.resolve(to.host, to.port, parts_.now.steady_ms,
                      [this, number = dial.number](const auto& answer) { open(number, answer); });
}

void Upstreams::Impl::fail(uint64_t number, const std::string& why) {
    drop(number);
    parts_.gateway.upstream_gone(number, why, parts_.now);
}

void Upstreams::Impl::open(uint64_t number, const NameResolver::Answer& addresses) {
    const auto it = connections_.find(number);
    if (it == connections_.end()) return;
    if (!addresses) return fail(number, addresses.error());
    // The next attempt takes the next one.
    const SocketAddress& address = (*addresses)[turn_++ % addresses->size()];
    it->second->to.tls ? secure(number, address) : carry(*it->second, address, nullptr);
}

void Upstreams::Impl::secure(uint64_t number, const SocketAddress& address) {
    tls_.prepare(parts_.now.steady_ms, [this, number, address](const Result<ClientTls::Context>& context) {
        const auto it = connections_.find(number);
        if (it == connections_.end()) return;
        context ? carry(*it->second, address, *context) : fail(number, context.error());
    });
}

void Upstreams::Impl::carry(Connection& connection, const SocketAddress& address,
                            const ClientTls::Context& tls) {
    auto socket = connect_to(address);
    if (!socket) return fail(connection.number, socket.error());
    if (tls) {
        auto made = std::make_unique<TlsClientCarrier>(parts_.loop, std::move(*socket), read_buffer_,
                                                       connection, tls, connection.to.host);
        connection.tls = made.get();
        connection.carrier = std::move(made);
    } else {
        connection.carrier =
            std::make_unique<PlainCarrier>(parts_.loop, std::move(*socket), read_buffer_, connection);
    }
    connection.carrier->read(false);
    connection.carrier->ask_writeable();
}

bool Upstreams::Impl::writeable(Connection& connection) {
    if (!connection.connected) {
        int error = 0;
        socklen_t size = sizeof error;
        (void)getsockopt(connection.carrier->descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            connection.why = std::strerror(error);
            return false;
        }
        connection.connected = true;
        connection.carrier->read(true);
        parts_.gateway.upstream_connected(connection.number, parts_.now);
    }
    return flush(connection);
}

bool Upstreams::Impl::flush(Connection& connection) {
    for (;;) {
        const std::string_view bytes =
            parts_.gateway.upstream_output(connection.number).substr(0, upstream_write);
        if (bytes.empty()) return true;
        const auto taken = connection.carrier->write(bytes);
        if (!taken) return false;
        parts_.gateway.upstream_sent(connection.number, *taken, parts_.now);
        if (connection.carrier->full()) return true;
    }
}

void Upstreams::Impl::gone(Connection& connection) {
    const auto it = connections_.find(connection.number);
    if (it == connections_.end()) return;
    if (connection.tls && !connection.tls->why().empty()) connection.why = connection.tls->why();
    gone_.push_back(std::move(it->second));
    connections_.erase(it);
    if (!closing_ && connection.carrier->peer_finished())
        parts_.gateway.upstream_finished(connection.number, parts_.now);
    if (!closing_) parts_.gateway.upstream_gone(connection.number, connection.why, parts_.now);
}

// The kernel brings the last bytes, if it can.
void Upstreams::Impl::end(const UpstreamGoodbye& goodbye) {
    const auto it = connections_.find(goodbye.number);
    if (it == connections_.end()) return;
    if (it->second->connected && !it->second->carrier->full() && !goodbye.last.empty())
        (void)it->second->carrier->write(goodbye.last);
    drop(goodbye.number);
}

void Upstreams::Impl::drop(uint64_t number) {
    const auto it = connections_.find(number);
    if (it == connections_.end()) return;
    gone_.push_back(std::move(it->second));
    connections_.erase(it);
    if (gone_.back()->carrier) gone_.back()->carrier->read(false);
}

Upstreams::Upstreams(const Parts& parts) : impl_(std::make_unique<Impl>(parts)) {}
Upstreams::~Upstreams() = default;

bool Upstreams::work_off() {
    return impl_->work_off();
}
size_t Upstreams::sockets() const {
    return impl_->sockets();
}

}  // namespace wayleave
