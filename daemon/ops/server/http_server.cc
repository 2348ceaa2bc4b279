#include "daemon/ops/server/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/edge/passed_descriptors.h"
#include "daemon/protocol/handshake.h"
#include "daemon/protocol/http_head.h"

namespace wayleave {

namespace {

constexpr size_t max_connections = 64;
constexpr size_t max_body = 65536;
constexpr int64_t deadline_ms = 10'000;          // for the request, and again for the answer's way
constexpr int64_t answer_deadline_ms = 120'000;  // no client waits longer
constexpr size_t accepted_a_turn = 16;

std::string to_text(const OpsAnswer& answer, bool head_only = false) {
    std::string out = http_response_head(answer.status, answer.content_type, answer.body.size(),
                                         answer.extra_headers, false);
    return head_only ? out : out.append(answer.body);
}

std::string refusal(int status, std::string_view reason) {
    return to_text({status, "text/plain; charset=utf-8", std::string(reason) + "\n"});
}

bool is_loopback(const dsl::Address& address) {
    return address.is_v4() ? address.bytes[12] == 127 : address == *dsl::parse_address("::1");
}

}  // namespace

class HttpServer::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(HttpServer& server, FileDescriptor socket)
        : server_(server),
          socket_(std::move(socket)),
          io_(server.loop_, socket_.get(), [this](int events) { ready(events); }),
          deadline_(server.loop_, [this] { late(); }) {
        io_.watch(EV_READ);
        deadline_.after(deadline_ms);
    }

    void stop() {
        io_.watch(0);
        deadline_.stop();
        socket_.close();
    }

    [[nodiscard]] bool has_not_asked() const { return !asked_; }
    [[nodiscard]] bool waits() const { return asked_ && out_.empty() && socket_.open(); }

    void respond(const OpsAnswer& answer) {
        if (!waits()) return;
        sockets_ = answer.sockets;
        send_text(to_text(answer, head_only_));
    }

  private:
    void ready(int events) {
        const bool open = (events & EV_WRITE) != 0 ? write_some() : read_some();
        if (!open) server_.finished(*this);
    }

    // These return false when the connection is done with.
    bool read_some() {
        std::array<char, 4096> block;  // NOLINT: recv() fills it
        const ssize_t count = recv(socket_.get(), block.data(), block.size(), 0);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        if (count == 0) return false;
        in_.append(block.data(), static_cast<size_t>(count));
        if (std::string refused = hear(); !refused.empty())
            send_text(std::move(refused));
        else if (in_.size() >= expected_ && expected_ > 0)
            ask();
        return true;
    }

    void send_text(std::string text) {
        out_ = std::move(text);
        deadline_.after(deadline_ms);
        io_.watch(EV_WRITE);
        if (!write_some()) server_.finished(*this);
    }

    // Nothing is read meanwhile: who has closed is noticed when the answer is sent.
    void ask() {
        asked_ = true;
        io_.watch(0);
        deadline_.after(answer_deadline_ms);
        const auto body = std::string_view(in_).substr(head_size_, expected_ - head_size_);
        server_.handler_({method_, path_, body, socket_.get(), authorization_, origin_, host_, takes_gzip_},
                         [self = weak_from_this()](const OpsAnswer& answer) {
                             if (const auto connection = self.lock()) connection->respond(answer);
                         });
    }

    void late() {
        if (waits()) return send_text(refusal(503, "the answer took too long; see the log"));
        server_.finished(*this);
    }

    bool write_some() {
        const auto rest = std::string_view(out_).substr(written_);
        const ssize_t count = sockets_ ? send_sockets(rest.front())
                                       : send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        written_ += static_cast<size_t>(count);
        if (written_ < out_.size()) return true;
        shutdown(socket_.get(), SHUT_WR);
        return false;
    }

    // As many as one message takes, with one byte of the answer, which has more bytes than there are
    // messages.
    ssize_t send_sockets(char byte) {
        constexpr size_t most = 250;  // SCM_MAX_FD is 253
        const size_t some = std::min(most, sockets_->size() - sockets_sent_);
        std::vector<int> numbers;
        for (size_t i = 0; i < some; ++i) numbers.push_back((*sockets_)[sockets_sent_ + i].get());
        const ssize_t count = send_with_descriptors(socket_, byte, numbers);
        if (count <= 0) return count;
        sockets_sent_ += some;
        if (sockets_sent_ == sockets_->size()) sockets_.reset();  // ours are closed
        return count;
    }

    // Empty: what has come is right so far. `expected_` is set as soon as the head is complete.
    std::string hear() {
        if (expected_ > 0) return {};
        const auto parsed = parse_head(in_, {}, scanned_);
        if (std::holds_alternative<NeedMore>(parsed)) return {};
        if (const auto* refused = std::get_if<HeadRefusal>(&parsed))
            return refusal(refused->status, refused->reason);
        const auto& head = std::get<HttpHead>(parsed);
        if (server_.serves_peer_ && !server_.serves_peer_(socket_.get()))
            return refusal(403, "for root, the daemon's user and members of control.group alone");
        if (!answers(head.authority))
            return refusal(421, "no such host here; ask by address, or add the name to admin.hosts");
        if (head.count("content-encoding") > 0) return refusal(415, "send the body without Content-Encoding");
        if (head.chunked) return refusal(501, "send the body with Content-Length");
        if (head.count("origin") > 1 || head.count("authorization") > 1)
            return refusal(400, "Origin and Authorization stand once at most");
        head_only_ = head.method == "HEAD";
        method_ = head_only_ ? "GET" : head.method;
        path_ = head.path;
        authorization_ = head.field("authorization");
        origin_ = head.field("origin");
        host_ = head.authority.text();
        takes_gzip_ = head.field("accept-encoding").find("gzip") != std::string_view::npos;
        const uint64_t body = head.content_length.value_or(0);
        if (body > max_body)
            return refusal(413, "the body has more than " + std::to_string(max_body) + " bytes");
        head_size_ = head.size;
        expected_ = head.size + static_cast<size_t>(body);
        return {};
    }

    // Without a name it is HTTP/1.0: a health check, and no page's browser.
    [[nodiscard]] bool answers(const Authority& host) const {
        if (!server_.answers_host_ || host.name.empty()) return true;
        sockaddr_storage local{};
        socklen_t size = sizeof local;
        if (getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0) return false;
        return server_.answers_host_(host, address_of(local));
    }

    HttpServer& server_;
    FileDescriptor socket_;
    std::string in_;
    std::string out_;
    std::string method_;
    std::string path_;
    std::string authorization_;
    std::string origin_;
    std::string host_;
    bool takes_gzip_ = false;
    size_t scanned_ = 0;
    size_t head_size_ = 0;
    size_t expected_ = 0;  // bytes of the whole request; 0 while its head is not complete
    size_t written_ = 0;
    std::shared_ptr<const std::vector<FileDescriptor>> sockets_;  // that go with the answer
    size_t sockets_sent_ = 0;
    bool asked_ = false;
    bool head_only_ = false;
    IoWatcher io_;
    Timer deadline_;
};

bool is_own_host(const Authority& host, const dsl::Address& local, const std::vector<std::string>& names) {
    const bool bracketed = host.name.starts_with('[');
    const std::string literal = bracketed ? host.name.substr(1, host.name.size() - 2) : host.name;
    if (const auto address = dsl::parse_address(literal)) return *address == local || is_loopback(*address);
    return host.name == "localhost" || std::find(names.begin(), names.end(), host.name) != names.end();
}

HttpServer::HttpServer(Loop& loop, FileDescriptor listening, Handler handler, HostRule answers_host,
                       PeerRule serves_peer)
    : loop_(loop),
      handler_(std::move(handler)),
      answers_host_(std::move(answers_host)),
      serves_peer_(std::move(serves_peer)),
      sweeper_(loop, [this] {
          finished_.clear();
          if (io_) io_->watch(EV_READ);
      }) {
    listen_at(std::move(listening));
}

HttpServer::~HttpServer() {
    while (!connections_.empty()) {
        const std::shared_ptr<Connection> connection = connections_.front();
        connection->respond({503, "text/plain; charset=utf-8", "the daemon is stopping\n"});
        finished(*connection);
    }
}

void HttpServer::listen_at(FileDescriptor listening) {
    io_.reset();  // before its descriptor goes
    socket_ = std::move(listening);
    io_.emplace(loop_, socket_.get(), [this](int) { accept_some(); });
    io_->watch(EV_READ);
}

void HttpServer::stop_listening() {
    io_.reset();
    socket_.close();
}

std::list<std::shared_ptr<HttpServer::Connection>>::iterator HttpServer::oldest_idle() {
    return std::find_if(connections_.begin(), connections_.end(),
                        [](const auto& connection) { return connection->has_not_asked(); });
}

void HttpServer::accept_some() {
    for (size_t i = 0; i < accepted_a_turn; ++i) {
        const auto idle = oldest_idle();
        if (connections_.size() >= max_connections && idle == connections_.end()) break;
        FileDescriptor socket(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.open()) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
            break;
        }
        // Who came first and has not said what he wants leaves; a monitor says it at once.
        if (connections_.size() >= max_connections) finished(**idle);
        connections_.push_back(std::make_shared<Connection>(*this, std::move(socket)));
        if (i + 1 == accepted_a_turn) return;  // those inside are heard before more come in
    }
    // Full, or no descriptor left: wait in the kernel's queue. The sweeper looks again, at the latest in a
    // second.
    if (io_) io_->watch(0);
    sweeper_.after(1000);
}

// Called in the connection's own callback, so it is freed later.
void HttpServer::finished(Connection& connection) {
    connection.stop();
    const auto found = std::find_if(connections_.begin(), connections_.end(),
                                    [&](const auto& owned) { return owned.get() == &connection; });
    if (found == connections_.end()) return;
    finished_.push_back(std::move(*found));
    connections_.erase(found);
    sweeper_.after(0);
}

}  // namespace wayleave
