#include "daemon/edge/proxy_header_reader.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "daemon/edge/proxy_header.h"

namespace wayleave {
namespace {

// The kernel wakes us only when there is more than what we have looked at: a header that drips in would
// otherwise keep the loop spinning, since looking does not take the bytes away.
void wake_beyond(int fd, size_t seen) {
    const int wanted = static_cast<int>(seen) + 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted);
}

}  // namespace

struct ProxyHeaderReader::Visitor {
    Visitor(Loop& loop, FileDescriptor fd, const Peer& from, int64_t now_ms, IoWatcher::Callback readable)
        : socket(std::move(fd)), proxy(from), since_ms(now_ms), io(loop, socket.get(), std::move(readable)) {}

    FileDescriptor socket;
    Peer proxy;
    int64_t since_ms;
    IoWatcher io;
};

ProxyHeaderReader::ProxyHeaderReader(Loop& loop, int64_t patience_ms, Admitted admitted, Refused refused)
    : loop_(loop), patience_ms_(patience_ms), admitted_(std::move(admitted)), refused_(std::move(refused)) {}

ProxyHeaderReader::~ProxyHeaderReader() = default;

void ProxyHeaderReader::enter(FileDescriptor socket, const Peer& proxy, int64_t now_ms) {
    const int fd = socket.get();
    auto visitor =
        std::make_unique<Visitor>(loop_, std::move(socket), proxy, now_ms, [this, fd](int) { readable(fd); });
    visitor->io.watch(EV_READ);
    waiting_.insert_or_assign(fd, std::move(visitor));
}

void ProxyHeaderReader::readable(int fd) {
    std::array<char, max_proxy_header> bytes{};
    const ssize_t size = recv(fd, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return refuse(fd, "the proxy closed the connection before its header was complete");
    const auto result = parse_proxy_header({bytes.data(), static_cast<size_t>(size)});
    if (std::holds_alternative<ProxyNeedMore>(result)) return wake_beyond(fd, static_cast<size_t>(size));
    if (const auto* refusal = std::get_if<ProxyRefusal>(&result)) return refuse(fd, refusal->reason);
    const auto& header = std::get<ProxyHeader>(result);
    (void)recv(fd, bytes.data(), header.size, MSG_DONTWAIT);  // they are there: we have seen them
    wake_beyond(fd, 0);
    Visitor& visitor = dismiss(fd);
    Peer peer = visitor.proxy;
    if (header.source) peer = {.ip = *header.source, .tls = peer.tls || header.tls};
    admitted_(std::move(visitor.socket), peer);
}

ProxyHeaderReader::Visitor& ProxyHeaderReader::dismiss(int fd) {
    leaving_.push_back(std::move(waiting_.extract(fd).mapped()));
    leaving_.back()->io.watch(0);
    return *leaving_.back();
}

void ProxyHeaderReader::refuse(int fd, std::string_view reason) {
    Visitor& visitor = dismiss(fd);
    visitor.socket.close();
    refused_(visitor.proxy, reason);
}

void ProxyHeaderReader::tick(int64_t now_ms) {
    leaving_.clear();
    std::vector<int> late;
    for (const auto& [fd, visitor] : waiting_) {
        if (now_ms - visitor->since_ms >= patience_ms_) late.push_back(fd);
    }
    for (const int fd : late) refuse(fd, "the PROXY header did not come in time");
}

}  // namespace wayleave
