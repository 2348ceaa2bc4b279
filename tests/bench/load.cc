// Load for the benchmarks: one process, one thread, epoll, no WebSocket library. It reports what it did; the
// server's CPU and memory are read by `run`, which starts both. Talks to 127.0.0.1 only.
//
//   bench_load idle   PORT PATH N             opens N, prints "ready", holds until a line arrives on stdin
//   bench_load churn  PORT PATH N SECONDS     handshakes and closes, N at a time; prints how many
//   bench_load fanout PORT PATH N SECONDS B   N subscribers; PATH+"pub" publishes B messages at a time, the
//   next when all
//                                             have arrived everywhere; prints deliveries
// The environment variable BENCH_HEADER is added to each request, without its line end.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Client {
    int fd = -1;
    bool open = false;    // 101 and the greeting are here
    std::string pending;  // an incomplete head or frame
    uint64_t frames = 0;
};

class Load {
  public:
    Load(uint16_t port, std::string path, size_t count)
        : port_(port), path_(std::move(path)), clients_(count) {
        epoll_ = epoll_create1(0);
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    void connect(size_t index, const std::string& path) {
        Client& client = clients_[index];
        client = Client{};
        client.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (client.fd < 0) die("socket");
        const int one = 1;
        setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(client.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        // Ports run out before descriptors do: a few source addresses, and no TIME_WAIT.
        sockaddr_in from = address(0);
        from.sin_addr.s_addr = htonl(0x7f000002U + static_cast<uint32_t>(sources_++ % 32));
        if (bind(client.fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) die("bind");
        const linger reset{1, 0};
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        sockaddr_in to = address(port_);
        if (::connect(client.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
        fcntl(client.fd, F_SETFL, O_NONBLOCK);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = index;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
        const char* header = std::getenv("BENCH_HEADER");
        const std::string request =
            "GET " + path +
            " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
            (header ? std::string(header) + "\r\n" : "") + "\r\n";
        if (write(client.fd, request.data(), request.size()) != static_cast<ssize_t>(request.size()))
            die("write");
    }

    void close(size_t index) {
        ::close(clients_[index].fd);
        clients_[index].fd = -1;
    }

    // Waits once and counts: `opened` when a greeting is complete, `delivered` for each later frame.
    template <class Opened>
    void turn(const Opened& opened) {
        std::array<epoll_event, 512> events;
        const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 2000);
        if (n == 0) {
            std::fprintf(stderr, "bench_load: nothing came for 2 s\n");
            std::exit(1);
        }
        for (int i = 0; i < n; ++i) read(events[static_cast<size_t>(i)].data.u64, opened);
    }

    void open_all(size_t from, size_t to, const std::string& path) {
        size_t waiting = 0;
        for (size_t i = from; i < to; ++i) {
            connect(i, path);
            if (++waiting < 64 && i + 1 < to) continue;
            while (waiting > 0) turn([&](size_t) { --waiting; });
        }
    }

    void send(size_t index, const std::string& bytes) {
        if (write(clients_[index].fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
            die("write");
    }

    uint64_t delivered = 0;

  private:
    static sockaddr_in address(uint16_t port) {
        sockaddr_in out{};
        out.sin_family = AF_INET;
        out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        out.sin_port = htons(port);
        return out;
    }

    template <class Opened>
    void read(size_t index, const Opened& opened) {
        Client& client = clients_[index];
        if (client.fd < 0) return;
        static std::array<char, 262144> buffer;
        const ssize_t n = ::read(client.fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            std::fprintf(stderr, "bench_load: the server closed connection %zu: %.200s\n", index,
                         client.pending.c_str());
            std::exit(1);
        }
        std::string_view bytes(buffer.data(), static_cast<size_t>(n));
        if (!client.pending.empty()) {
            client.pending.append(bytes);
            bytes = client.pending;
        }
        const size_t used = consume(client, bytes);
        const bool greeted = !client.open && client.frames > 0;
        std::string rest(bytes.substr(used));
        client.pending.swap(rest);
        if (!greeted) return;
        client.open = true;
        opened(index);
    }

    // Takes whole frames off the front; before the upgrade, the head.
    size_t consume(Client& client, std::string_view bytes) {
        size_t at = 0;
        if (!client.open && client.frames == 0) {
            const size_t end = bytes.find("\r\n\r\n");
            if (end == std::string_view::npos) return 0;
            if (!bytes.starts_with("HTTP/1.1 101")) {
                std::fprintf(stderr, "bench_load: refused: %.*s\n", static_cast<int>(bytes.size()),
                             bytes.data());
                std::exit(1);
            }
            at = end + 4;
            // A greeting may come later: until then the head stays.
            if (frame_size(bytes.substr(at)) == 0) return 0;
        }
        while (const size_t size = frame_size(bytes.substr(at))) {
            at += size;
            ++client.frames;
            if (client.open || client.frames > 1) ++delivered;
        }
        return at;
    }

    // Of the complete frame at the front, or 0. Servers send lengths below 64 KiB here.
    static size_t frame_size(std::string_view bytes) {
        if (bytes.size() < 2) return 0;
        const auto at = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
        size_t size = 2 + at(1);
        if (at(1) == 126) {
            if (bytes.size() < 4) return 0;
            size = 4 + (at(2) << 8) + at(3);
        }
        return bytes.size() < size ? 0 : size;
    }

    uint16_t port_;
    std::string path_;
    int epoll_ = -1;
    size_t sources_ = 0;
    std::vector<Client> clients_;
};

std::string masked_text(const std::string& text) {
    std::string out("\x81", 1);
    if (text.size() < 126) {
        out += static_cast<char>(0x80 | text.size());
    } else {
        out += static_cast<char>(0x80 | 126);
        out += static_cast<char>(text.size() >> 8);
        out += static_cast<char>(text.size() & 255);
    }
    return out + std::string(4, '\0') + text;  // a mask of zeros is a mask
}

void wait_for_line() {
    std::array<char, 16> line;
    if (std::fgets(line.data(), line.size(), stdin) == nullptr) std::exit(0);  // whoever started us is gone
}

void idle(Load& load, size_t count, const std::string& path) {
    load.open_all(0, count, path);
    std::printf("ready\n");
    std::fflush(stdout);
    wait_for_line();
}

void churn(Load& load, size_t count, const std::string& path, double seconds) {
    uint64_t done = 0;
    const double start = seconds_now();
    for (size_t i = 0; i < count; ++i) load.connect(i, path);
    while (seconds_now() - start < seconds) {
        load.turn([&](size_t index) {
            ++done;
            load.close(index);
            load.connect(index, path);
        });
    }
    std::printf("{\"handshakes\":%llu,\"seconds\":%.3f}\n", static_cast<unsigned long long>(done),
                seconds_now() - start);
}

void fanout(Load& load, size_t count, const std::string& path, double seconds, size_t batch) {
    load.open_all(0, count, path);
    load.open_all(count, count + 1, path + "pub");
    std::string publication;
    for (size_t i = 0; i < batch; ++i)
        publication += masked_text(R"({"type":"say","text":")" + std::string(170, 'x') + R"("})");
    std::printf("ready\n");
    std::fflush(stdout);
    wait_for_line();
    const double start = seconds_now();
    uint64_t publications = 0;
    load.delivered = 0;
    while (seconds_now() - start < seconds) {
        load.send(count, publication);
        publications += batch;
        while (load.delivered < publications * count) load.turn([](size_t) {});
    }
    std::printf("{\"deliveries\":%llu,\"seconds\":%.3f}\n", static_cast<unsigned long long>(load.delivered),
                seconds_now() - start);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5)
        return std::fprintf(stderr, "usage: bench_load idle|churn|fanout PORT PATH N [SECONDS [BATCH]]\n"),
               64;
    const std::string mode = argv[1];
    const std::string path = argv[3];
    const auto count = static_cast<size_t>(std::atol(argv[4]));
    Load load(static_cast<uint16_t>(std::atoi(argv[2])), path, count + 1);
    const double seconds = argc > 5 ? std::atof(argv[5]) : 2;
    if (mode == "idle") idle(load, count, path);
    if (mode == "churn") churn(load, count, path, seconds);
    if (mode == "fanout")
        fanout(load, count, path, seconds, argc > 6 ? static_cast<size_t>(std::atol(argv[6])) : 1);
    return 0;
}
