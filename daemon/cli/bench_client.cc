#include "daemon/cli/bench_client.h"

#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/protocol/client_handshake.h"

namespace wayleave {

namespace {

constexpr size_t block_size = 65536;

WebSocketLimits server_limits() {
    WebSocketLimits limits;
    limits.max_message = size_t{16} << 20U;
    limits.from_server = true;
    return limits;
}

std::string refusal_text(const UpgradeRefused& refused) {
    return refused.status == 0 ? std::string(refused.reason)
                               : std::string(handshake_answered) + std::to_string(refused.status);
}

}  // namespace

BenchClient::BenchClient(Loop& loop, const addrinfo& address, std::string request, std::string key,
                         Events events, std::mt19937& random)
    : socket_(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      key_(std::move(key)),
      events_(std::move(events)),
      random_(random),
      out_(std::move(request)) {
    if (!socket_.open() ||
        (connect(socket_.get(), address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS)) {
        gone_ = true;
        events_.ended(std::strerror(errno));
        return;
    }
    io_.emplace(loop, socket_.get(), [this](int ready_events) { ready(ready_events); });
    io_->watch(EV_READ | EV_WRITE);
}

void BenchClient::ready(int events) {
    if ((events & EV_WRITE) != 0) write_some();
    if (!gone_ && (events & EV_READ) != 0) read_some();
}

void BenchClient::write_some() {
    const ssize_t count = send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN) return end(std::strerror(errno));
    if (count > 0) out_.erase(0, static_cast<size_t>(count));
    io_->watch(out_.empty() ? EV_READ : EV_READ | EV_WRITE);
}

void BenchClient::read_some() {
    std::array<char, block_size> block;  // NOLINT: recv() fills it
    const ssize_t count = recv(socket_.get(), block.data(), block.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return end(std::strerror(errno));
    if (count == 0) return end("the server has closed the connection");
    if (open_) return read_frames({block.data(), static_cast<size_t>(count)});
    head_.append(block.data(), static_cast<size_t>(count));
    read_head();
}

void BenchClient::read_head() {
    const auto answer = read_upgrade_answer(head_, key_);
    if (std::holds_alternative<NeedMore>(answer)) return;
    if (const auto* refused = std::get_if<UpgradeRefused>(&answer)) return end(refusal_text(*refused));
    std::string rest = head_.substr(std::get<UpgradeAccepted>(answer).size);
    head_ = {};
    open_ = true;
    events_.opened();
    if (!gone_ && !rest.empty()) read_frames({rest.data(), rest.size()});
}

void BenchClient::read_frames(std::span<char> bytes) {
    while (!gone_) {
        const WsEvent event = decoder_.next(bytes, server_limits());
        if (std::holds_alternative<WsNeedMore>(event)) return;
        if (const auto* message = std::get_if<WsMessage>(&event)) {
            events_.heard(message->payload);
        } else if (const auto* ping = std::get_if<WsPing>(&event)) {
            append_client_frame(out_, Opcode::pong, ping->payload, static_cast<uint32_t>(random_()));
            write_some();
        } else if (const auto* closed = std::get_if<WsClose>(&event)) {
            end("the server has closed it with " + std::to_string(closed->code));
        } else if (const auto* wrong = std::get_if<WsError>(&event)) {
            end(std::string(wrong->reason));
        }
    }
}

void BenchClient::say(std::string_view text) {
    if (gone_) return;
    const bool waits = !out_.empty();
    append_client_frame(out_, Opcode::text, text, static_cast<uint32_t>(random_()));
    if (!waits) write_some();
}

void BenchClient::close() {
    if (gone_) return;
    gone_ = true;
    append_client_frame(out_, Opcode::close, close_payload(1000, ""), static_cast<uint32_t>(random_()));
    (void)send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (io_) io_->watch(0);
    socket_.close();
}

// Within a callback of the watcher, which therefore stays; it watches nothing any more.
void BenchClient::end(std::string why) {
    if (std::exchange(gone_, true)) return;
    open_ = false;
    if (io_) io_->watch(0);
    socket_.close();
    events_.ended(std::move(why));
}

}  // namespace wayleave
