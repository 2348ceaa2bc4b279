#include "daemon/edge/listener.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/protocol/handshake.h"

namespace wayleave {

namespace {

constexpr int64_t first_delay_ms = 10;
constexpr int64_t longest_delay_ms = 1000;
constexpr size_t most_rest = 4096;  // as many as the kernel may hold

// The connection under way failed, not the listener: accept(2) names these for TCP.
bool concerns_one_peer(int error) {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case ENOPROTOOPT:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENONET:
        case EOPNOTSUPP:
        case EPERM: return true;  // a firewall's word
        default: return false;
    }
}

int open_nothing() {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace

// Best effort. All that has arrived is read first, because closing a socket with unread bytes resets the
// connection and may take our answer with it. In the middle of a TLS handshake there is nothing to say.
void refuse_socket(const FileDescriptor& socket, bool tls) {
    if (tls) return;
    static const std::string answer = http_response(503, "text/plain; charset=utf-8",
                                                    "too many connections\n", "Retry-After: 5\r\n", false);
    std::array<char, 2048> unread;  // NOLINT: never looked at
    (void)recv(socket.get(), unread.data(), unread.size(), MSG_DONTWAIT);
    (void)send(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(socket.get(), SHUT_WR);
}

Reserve::Reserve() : fd_(open_nothing()) {}

void Reserve::refuse_one(const FileDescriptor& listener, bool tls) {
    if (!fd_.open()) {  // another thread was quicker the last time
        fd_ = FileDescriptor(open_nothing());
        return;
    }
    fd_.close();
    {
        const FileDescriptor socket(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (socket.open()) refuse_socket(socket, tls);
    }
    fd_ = FileDescriptor(open_nothing());
}

Listener::Listener(const Parts& parts, FileDescriptor socket, bool tls, size_t per_turn, Accepted accepted)
    : parts_(parts),
      socket_(std::move(socket)),
      tls_(tls),
      per_turn_(per_turn),
      accepted_(std::move(accepted)),
      io_(parts.loop, socket_.get(), [this](int) { readable(); }),
      timer_(parts.loop, [this] { resume(); }),
      delay_ms_(first_delay_ms) {
    io_.watch(EV_READ);
}

// True: there may be more. A bounded number, so that a flood of connections cannot starve those that are
// open; epoll tells of the rest again.
bool Listener::accept_some(size_t most) {
    for (size_t i = 0; i < most; ++i) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        FileDescriptor socket(
            accept4(socket_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.open()) {
            const int error = errno;
            if (error == EAGAIN) return false;
            if (concerns_one_peer(error)) continue;
            back_off(error);
            return false;
        }
        delay_ms_ = first_delay_ms;
        if (const ConnectionQuota::Verdict verdict = parts_.quota.enter();
            verdict != ConnectionQuota::Verdict::enters) {
            parts_.counters.accept_refused.add();
            refuse_socket(socket, tls_);
            if (parts_.quota.may_report(parts_.now.steady_ms)) {
                parts_.report({"connections-full", parts_.quota.refusal(verdict), Severity::warning});
            }
            continue;
        }
        parts_.counters.accepted.add();
        accepted_(std::move(socket),
                  {.ip = address_of(from), .tls = tls_, .unix_socket = from.ss_family == AF_UNIX});
    }
    return true;
}

void Listener::accept_rest() {
    (void)accept_some(most_rest);
}

// The queue of connections stays in the kernel; without the pause epoll would tell of it again at once, for
// ever.
void Listener::back_off(int error) {
    parts_.counters.accept_failures.add();
    if (parts_.quota.may_report(parts_.now.steady_ms)) {
        parts_.report({"accept-failed",
                       std::string("cannot accept connections: ") + std::strerror(error) +
                           "; trying again, raise the limit on open files if it stays",
                       Severity::warning});
    }
    if (error == EMFILE || error == ENFILE) parts_.reserve.refuse_one(socket_, tls_);
    io_.watch(0);
    timer_.after(delay_ms_);
    delay_ms_ = std::min(delay_ms_ * 2, longest_delay_ms);
}

void Listener::resume() {
    io_.watch(EV_READ);
}

}  // namespace wayleave
