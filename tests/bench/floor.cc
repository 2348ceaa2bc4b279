// The floor of the benchmarks: what epoll and send() cost when nothing is checked, decided, bounded or
// counted. One thread. It answers each request with a fixed 101 and a greeting; text from a connection on a
// path with "pub" goes to all others of the path's last segment, joined into one send for each wake-up, and
// on /echo back. Not a WebSocket server.
//
//   bench_floor PORT
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

const std::string greeting =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02{}";

enum class Kind : char { fresh, subscriber, publisher, echo };

struct Peer {
    Kind kind = Kind::fresh;
    size_t channel = 0;
};

std::vector<Peer> peers;
std::vector<std::vector<int>> channels(10'001);

// /fan and /fanpub are 0, /ch/7 and /chpub/7 are 8.
size_t channel_of(std::string_view path) {
    const size_t slash = path.rfind('/');
    if (slash == 0 || slash == std::string_view::npos) return 0;
    return 1 + std::min<size_t>(std::strtoul(path.data() + slash + 1, nullptr, 10), channels.size() - 2);
}

Peer who_asks(std::string_view request) {
    const size_t from = request.find(' ') + 1;
    const std::string_view path = request.substr(from, request.find(' ', from) - from);
    if (path == "/echo") return {Kind::echo, 0};
    return {path.find("pub") != std::string_view::npos ? Kind::publisher : Kind::subscriber,
            channel_of(path)};
}

// Client frames (masked with zeros) become server frames.
std::string server_frames(std::string_view bytes) {
    std::string out;
    while (bytes.size() >= 6) {
        const auto at = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
        size_t size = at(1) & 127;
        const size_t head = size == 126 ? 4 : 2;
        if (size == 126) size = (at(2) << 8) + at(3);
        if (bytes.size() < head + 4 + size) break;
        out += bytes[0];
        out += static_cast<char>(at(1) & 127);
        if (head == 4) out.append(bytes.substr(2, 2));
        out.append(bytes.substr(head + 4, size));
        bytes.remove_prefix(head + 4 + size);
    }
    return out;
}

void hang_up(int fd) {
    Peer& peer = peers[static_cast<size_t>(fd)];
    auto& subscribers = channels[peer.channel];
    if (peer.kind == Kind::subscriber)
        subscribers.erase(std::find(subscribers.begin(), subscribers.end(), fd));
    peer = {};
    close(fd);
}

void readable(int fd) {
    static std::array<char, 65536> buffer;
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n <= 0) return hang_up(fd);
    const std::string_view bytes(buffer.data(), static_cast<size_t>(n));
    Peer& peer = peers[static_cast<size_t>(fd)];
    if (peer.kind == Kind::fresh) {
        peer = who_asks(bytes);
        if (peer.kind == Kind::subscriber) channels[peer.channel].push_back(fd);
        (void)!send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL);
    } else if (peer.kind != Kind::subscriber) {
        const std::string frames = server_frames(bytes);
        if (peer.kind == Kind::echo)
            (void)!send(fd, frames.data(), frames.size(), MSG_NOSIGNAL);
        else
            for (const int to : channels[peer.channel])
                (void)!send(to, frames.data(), frames.size(), MSG_NOSIGNAL);
    }
}

}  // namespace

int main(int argc, char** argv) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    peers.resize(files.rlim_max);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
    if (bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || listen(listener, 4096) != 0)
        return std::perror("bind"), 1;
    const int epoll = epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    std::array<epoll_event, 512> events;
    for (;;) {
        const int n = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < n; ++i) {
            const int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd != listener) {
                readable(fd);
                continue;
            }
            for (int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK); client >= 0;
                 client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) {
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.data.fd = client;
                epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
            }
        }
    }
}
