// Load for the benchmarks: one process, one thread, epoll, no WebSocket library. It reports what it did; the
// server's CPU and memory are read by `run`, which starts both. Talks to 127.0.0.1 only.
//
//   bench_load idle   PORT PATH N             opens N, prints "ready", holds until a line arrives on stdin
//   bench_load churn  PORT PATH N SECONDS     handshakes and closes, N at a time; prints how many
//   bench_load refused PORT PATH N COUNT      handshakes that are answered with an error, N at a time; prints
//                                             how many of which status
//   bench_load fanout PORT PATH N SECONDS B   N subscribers; PATH+"pub" publishes B messages at a time, the
//                                             next when all have arrived everywhere; prints deliveries
//   bench_load recover PORT PATH N SECONDS M  PATH+"pub" publishes M messages; N connections to PATH+"late"
//                                             ask for all of them at once; prints how long that takes
//   bench_load slow   PORT PATH N SECONDS M   N subscribers, to whom PATH+"pub" publishes at a steady rate,
//   in
//                                             turn without and with M others at PATH+"slow" who do not read;
//                                             prints the delivery times of the N
// A % in PATH becomes another number in each request. Environment:
//   BENCH_HEADER  is added to each request, without its line end
//   BENCH_TOKENS  a file with a token a line, of which each request shows the next one
//   BENCH_TLS     full or resumed: over TLS, with that kind of handshake
//   BENCH_DIALECT what the server speaks, if not JSON: socket.io or nats
//   BENCH_GREETING none: the server says nothing first
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

// The client's side of TLS. It checks no certificate: the server is ours.
class Tls {
  public:
    explicit Tls(bool resume) : resume_(resume), context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_sess_set_new_cb(context_, [](SSL*, SSL_SESSION* fresh) {
            if (!session_) session_ = SSL_SESSION_dup(fresh);  // the first one will do for all
            return 0;
        });
    }

    [[nodiscard]] SSL* begin(int fd) const {
        SSL* ssl = SSL_new(context_);
        SSL_set_fd(ssl, fd);
        SSL_set_connect_state(ssl);
        if (!resume_ || !session_) return ssl;
        SSL_SESSION* copy = SSL_SESSION_dup(session_);  // OpenSSL would use the original only once
        SSL_set_session(ssl, copy);
        SSL_SESSION_free(copy);
        return ssl;
    }

    static void end(SSL* ssl) {
        // Else OpenSSL would hold the session to be broken.
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(ssl);
    }

  private:
    static inline SSL_SESSION* session_ = nullptr;
    bool resume_;
    SSL_CTX* context_;
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

// What a server takes for a publication, with or without an answer that is asked for.
class Dialect {
  public:
    static bool is_socket_io() { return from_environment("BENCH_DIALECT") == "socket.io"; }
    static bool is_nats() {
        static const bool it_is = from_environment("BENCH_DIALECT") == "nats";
        return it_is;
    }

    static std::string publication(bool asks, const std::string& subject) {
        const std::string text = R"("text":")" + std::string(170, 'x') + R"("})";
        if (is_socket_io()) return masked_text((asks ? "420" : "42") + (R"(["say",{)" + text) + "]");
        const std::string say = R"({"type":"say",)" + std::string(asks ? R"("$id":1,)" : "") + text;
        if (is_nats())
            return masked_text("PUB " + subject + " " + std::to_string(say.size()) + "\r\n" + say + "\r\n");
        return masked_text(say);
    }

    static bool answers(std::string_view frame) {
        const std::string_view payload = frame.substr(frame.size() > 127 ? 4 : 2);
        return is_socket_io() ? payload.starts_with("430")
                              : payload.find(R"("re":1)") != std::string_view::npos;
    }

    static std::string nats_greeting(const std::string& subject) {
        const std::string wish = subject.empty() ? "" : "SUB " + subject + " 1\r\n";
        return masked_text(R"(CONNECT {"verbose":false})"
                           "\r\n" +
                           wish + "PING\r\n");
    }

    // NATS joins them in one frame.
    static size_t messages_in(std::string_view frame) {
        if (!is_nats()) return 1;
        constexpr std::string_view mark = "\r\n{\"type\":\"say\"";
        size_t messages = 0;
        for (size_t at = frame.find(mark); at != std::string_view::npos; at = frame.find(mark, at + 1))
            ++messages;
        return messages;
    }
};

struct Client {
    int fd = -1;
    SSL* ssl = nullptr;
    std::string request;   // to be sent when TLS is agreed
    std::string greeting;  // what it says to what the server says first
    bool upgraded = false;
    bool open = false;  // 101 and the server's greetings are here
    bool publishes = false;
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
        std::ifstream tokens(from_environment("BENCH_TOKENS"));
        for (std::string line; std::getline(tokens, line);) tokens_.push_back(line);
        if (from_environment("BENCH_GREETING") == "none") greetings_ = 0;
        if (Dialect::is_nats()) greetings_ = 2;  // INFO, and PONG when it has subscribed
        // Of another node, if it is named.
        const std::string other = from_environment("BENCH_PUBLISH_PORT");
        publishers_port_ = other.empty() ? port : static_cast<uint16_t>(std::stoul(other));
        if (const std::string kind = from_environment("BENCH_TLS"); !kind.empty())
            tls_ = std::make_unique<Tls>(kind == "resumed");
    }

    void connect(size_t index, const std::string& path) {
        Client& client = clients_[index];
        client = Client{};
        client.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (client.fd < 0) die("socket");
        const int one = 1;
        setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(client.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        const int small = 4096;
        if (small_buffers) setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        // Ports run out before descriptors do: a few source addresses, and no TIME_WAIT.
        sockaddr_in from = address(0);
        from.sin_addr.s_addr = htonl(0x7f000002U + static_cast<uint32_t>(sources_++ % 32));
        if (bind(client.fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) die("bind");
        const linger reset{1, 0};
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        sockaddr_in to = address(path.ends_with("pub") ? publishers_port_ : port_);
        if (::connect(client.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
        fcntl(client.fd, F_SETFL, O_NONBLOCK);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = index;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
        client.request = request(path);
        client.publishes = path.find("pub") != std::string::npos;
        if (Dialect::is_nats())
            client.greeting = Dialect::nats_greeting(client.publishes ? "" : subject_of(index, path));
        if (tls_) client.ssl = tls_->begin(client.fd);
        if (agreed(client)) ask(client);
    }

    void close(size_t index) {
        if (clients_[index].ssl) Tls::end(clients_[index].ssl);
        clients_[index].ssl = nullptr;
        ::close(clients_[index].fd);
        clients_[index].fd = -1;
    }

    // Waits once and counts: `opened` when a greeting is complete, `delivered` for each later frame, but for
    // those to who publishes.
    template <class Opened>
    void turn(const Opened& opened) {
        if (wait(2000, opened)) return;
        std::fprintf(stderr, "bench_load: nothing came for 2 s\n");
        std::exit(1);
    }

    // False: nothing came for so many ms.
    template <class Opened>
    bool wait(int timeout_ms, const Opened& opened) {
        std::array<epoll_event, 512> events;
        const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
        for (int i = 0; i < n; ++i) read(events[static_cast<size_t>(i)].data.u64, opened);
        return n > 0;
    }

    // From now on it does not read.
    void stall(size_t index) { epoll_ctl(epoll_, EPOLL_CTL_DEL, clients_[index].fd, nullptr); }

    // Whether the server has neither closed nor reset it, for one that does not read.
    [[nodiscard]] bool held(size_t index) const {
        tcp_info info{};
        socklen_t size = sizeof info;
        getsockopt(clients_[index].fd, IPPROTO_TCP, TCP_INFO, &info, &size);
        return info.tcpi_state == 1;  // established
    }

    // Where NATS publishes what other servers take from their paths: `/chpub/7` is what `/ch/7` hears.
    [[nodiscard]] static std::string subject_of(size_t index, std::string path) {
        if (path == "/echo") return "echo." + std::to_string(index);
        if (const size_t at = path.find("pub"); at != std::string::npos) path.erase(at, 3);
        std::replace(path.begin(), path.end(), '/', '.');
        return path.substr(1);
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
    uint64_t resumed = 0;                                  // TLS sessions
    std::function<void(std::string_view frame)> on_frame;  // for each that is delivered
    bool small_buffers = false;                            // for those who connect from now on
    bool refusals = false;                                 // wanted: any answer is an opening
    std::map<std::string, uint64_t> statuses;              // of those

  private:
    std::string request(std::string path) {
        const uint64_t number = requests_++;
        if (const size_t at = path.find('%'); at != std::string::npos)
            path.replace(at, 1, std::to_string(number));
        const std::string header = from_environment("BENCH_HEADER");
        const std::string token =
            tokens_.empty() ? "" : "Authorization: Bearer " + tokens_[number % tokens_.size()] + "\r\n";
        return "GET " + path +
               " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
               token + (header.empty() ? "" : header + "\r\n") + "\r\n";
    }

    // Whether the request may be sent: the TLS handshake, if there is one, is over.
    bool agreed(Client& client) {
        if (!client.ssl) return true;
        const int done = SSL_do_handshake(client.ssl);
        if (done == 1) resumed += SSL_session_reused(client.ssl) ? 1 : 0;
        if (done != 1 && SSL_get_error(client.ssl, done) != SSL_ERROR_WANT_READ) die("TLS handshake");
        return done == 1;
    }

    static void ask(Client& client) {
        const auto size = static_cast<ssize_t>(client.request.size());
        const ssize_t sent = client.ssl ? SSL_write(client.ssl, client.request.data(), static_cast<int>(size))
                                        : write(client.fd, client.request.data(), client.request.size());
        if (sent != size) die("write");
        client.request = {};
    }

    // As read(2).
    static ssize_t receive(const Client& client, char* to, size_t size) {
        if (!client.ssl) return ::read(client.fd, to, size);
        const int n = SSL_read(client.ssl, to, static_cast<int>(size));
        if (n > 0) return n;
        errno = SSL_get_error(client.ssl, n) == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
        return -1;
    }

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
        if (client.ssl && !SSL_is_init_finished(client.ssl)) {
            if (agreed(client)) ask(client);
            return;
        }
        static std::array<char, 262144> buffer;
        const ssize_t n = receive(client, buffer.data(), buffer.size());
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            std::fprintf(stderr, "bench_load: the server closed connection %zu: %.200s\n", index,
                         client.pending.c_str());
            std::exit(1);
        }
        std::string_view bytes(buffer.data(), static_cast<size_t>(n));
        if (refusals) {
            ++statuses[std::string(bytes.substr(9, 3))];
            return opened(index);
        }
        if (!client.pending.empty()) {
            client.pending.append(bytes);
            bytes = client.pending;
        }
        const size_t used = consume(client, bytes);
        if (client.frames > 0 && !client.greeting.empty()) send(index, std::exchange(client.greeting, {}));
        const bool greeted = !client.open && client.upgraded && client.frames >= greetings_;
        std::string rest(bytes.substr(used));
        client.pending.swap(rest);
        if (!greeted) return;
        client.open = true;
        opened(index);
    }

    // Takes whole frames off the front; before the upgrade, the head.
    size_t consume(Client& client, std::string_view bytes) {
        size_t at = 0;
        if (!client.upgraded) {
            const size_t end = bytes.find("\r\n\r\n");
            if (end == std::string_view::npos) return 0;
            if (!bytes.starts_with("HTTP/1.1 101")) {
                std::fprintf(stderr, "bench_load: refused: %.*s\n", static_cast<int>(bytes.size()),
                             bytes.data());
                std::exit(1);
            }
            at = end + 4;
            // A greeting may come later: until then the head stays.
            if (greetings_ > 0 && frame_size(bytes.substr(at)) == 0) return 0;
            client.upgraded = true;
        }
        while (const size_t size = frame_size(bytes.substr(at))) {
            ++client.frames;
            if (client.frames > greetings_) {
                if (!client.publishes) delivered += Dialect::messages_in(bytes.substr(at, size));
                if (on_frame) on_frame(bytes.substr(at, size));
            }
            at += size;
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
    uint16_t publishers_port_ = 0;
    size_t greetings_ = 1;  // frames that the server says first
    std::string path_;
    int epoll_ = -1;
    size_t sources_ = 0;
    uint64_t requests_ = 0;
    std::vector<std::string> tokens_;
    std::unique_ptr<Tls> tls_;
    std::vector<Client> clients_;
};

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
    std::printf("{\"handshakes\":%llu,\"resumed\":%llu,\"seconds\":%.3f}\n",
                static_cast<unsigned long long>(done), static_cast<unsigned long long>(load.resumed),
                seconds_now() - start);
}

void refused(Load& load, size_t count, const std::string& path, uint64_t wanted) {
    load.refusals = true;
    uint64_t done = 0;
    const double start = seconds_now();
    for (size_t i = 0; i < count; ++i) load.connect(i, path);
    while (done < wanted) {
        load.turn([&](size_t index) {
            ++done;
            load.close(index);
            load.connect(index, path);
        });
    }
    std::printf("{\"handshakes\":%llu,\"seconds\":%.3f,\"statuses\":{", static_cast<unsigned long long>(done),
                seconds_now() - start);
    const char* comma = "";
    for (const auto& [status, times] : load.statuses) {
        std::printf("%s\"%s\":%llu", comma, status.c_str(), static_cast<unsigned long long>(times));
        comma = ",";
    }
    std::printf("}}\n");
}

// Listeners, and one who publishes after them.
void open_channel(Load& load, size_t count, const std::string& path) {
    load.open_all(0, count, path);
    load.open_all(count, count + 1, path + "pub");
    if (!Dialect::is_socket_io()) return;
    load.delivered = 0;
    for (size_t i = 0; i <= count; ++i) load.send(i, masked_text("40"));
    while (load.delivered < count) load.turn([](size_t) {});
}

// Says that it is ready, waits to be told to begin, and plays rounds: each sends, and returns how many
// deliveries come of it.
template <class Round>
void play(Load& load, double seconds, const Round& round) {
    std::printf("ready\n");
    std::fflush(stdout);
    wait_for_line();
    load.delivered = 0;
    uint64_t wanted = 0;
    const double start = seconds_now();
    while (seconds_now() - start < seconds) {
        wanted += round();
        while (load.delivered < wanted) load.turn([](size_t) {});
    }
    std::printf("{\"deliveries\":%llu,\"seconds\":%.3f}\n", static_cast<unsigned long long>(load.delivered),
                seconds_now() - start);
}

void fanout(Load& load, size_t count, const std::string& path, double seconds, size_t batch) {
    open_channel(load, count, path);
    std::string publication;
    const std::string subject = Load::subject_of(count, path);
    for (size_t i = 0; i < batch; ++i) publication += Dialect::publication(false, subject);
    play(load, seconds, [&] {
        load.send(count, publication);
        return batch * count;
    });
}

// So many channels with `listeners` each, and somebody who publishes to each: one publication to all of them.
void channels(Load& load, size_t count, const std::string& path, double seconds, size_t listeners) {
    for (size_t i = 0; i < count; ++i) {
        const std::string name = "/" + std::to_string(i);
        load.open_all(i * listeners, (i + 1) * listeners, path + name);
        load.open_all(count * listeners + i, count * listeners + i + 1, path + "pub" + name);
    }
    std::vector<std::string> publications;
    for (size_t i = 0; i < count; ++i)
        publications.push_back(
            Dialect::publication(false, Load::subject_of(i, path + "/" + std::to_string(i))));
    play(load, seconds, [&] {
        for (size_t i = 0; i < count; ++i) load.send(count * listeners + i, publications[i]);
        return count * listeners;
    });
}

// Each has so many channels of its own.
void subscribe(Load& load, size_t count, const std::string& path, size_t channels) {
    load.open_all(0, count, path);
    for (size_t i = 0; i < count; ++i) {
        for (size_t n = 0; n < channels; ++n) {
            load.delivered = 0;
            load.send(i, masked_text(R"({"type":"$subscribe","channel":"many/)" + std::to_string(i) + "/" +
                                     std::to_string(n) + R"("})"));
            while (load.delivered == 0) load.turn([](size_t) {});
        }
    }
    std::printf("ready\n");
    std::fflush(stdout);
    wait_for_line();
}

// Each has one message under way.
void echo(Load& load, size_t count, const std::string& path, double seconds) {
    load.open_all(0, count, path);
    std::vector<std::string> publications;
    for (size_t i = 0; i < count; ++i)
        publications.push_back(Dialect::publication(false, Load::subject_of(i, path)));
    play(load, seconds, [&] {
        for (size_t i = 0; i < count; ++i) load.send(i, publications[i]);
        return count;
    });
}

// How long the answer to a publication takes, so many of which are due in a second.
void answers(Load& load, size_t count, const std::string& path, double seconds, size_t rate) {
    open_channel(load, count, path);
    bool answered = false;
    load.on_frame = [&](std::string_view frame) { answered = answered || Dialect::answers(frame); };
    const std::string publication = Dialect::publication(true, Load::subject_of(count, path));
    std::vector<double> times;
    const double start = seconds_now();
    for (double due = start; due < start + seconds; due += 1.0 / static_cast<double>(rate)) {
        while (seconds_now() < due) load.wait(0, [](size_t) {});
        answered = false;
        const double sent = seconds_now();
        load.send(count, publication);
        while (!answered) load.turn([](size_t) {});
        times.push_back(seconds_now() - sent);
    }
    std::sort(times.begin(), times.end());
    std::printf("{\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", 1e3 * times[times.size() / 2],
                1e3 * times[times.size() * 99 / 100]);
}

// Publications with the time in them at which they were due.
class Clockwork {
  public:
    Clockwork(Load& load, size_t listeners) : load_(load), listeners_(listeners) {
        load_.on_frame = [this](std::string_view frame) {
            const size_t at = frame.find(mark);
            if (at == std::string_view::npos) return;
            times_.push_back(seconds_now() - std::strtod(frame.data() + at + mark.size(), nullptr));
        };
    }

    // As fast as they are read, so that the buffers of who does not read are full.
    void fill(size_t publications) {
        load_.delivered = 0;
        for (size_t i = 1; i <= publications; ++i) {
            publish(seconds_now());
            while (load_.delivered < i * listeners_) load_.turn([](size_t) {});
        }
    }

    // The time within which 99 % arrived, in ms, when one is due every 250 ms.
    double p99(double seconds) {
        times_.clear();
        load_.delivered = 0;
        uint64_t sent = 0;
        const double start = seconds_now();
        for (double due = start; due < start + seconds || load_.delivered < sent * listeners_;) {
            const double now = seconds_now();
            if (now >= due && due < start + seconds) {
                publish(due);
                ++sent;
                due += 0.25;
            }
            const double left = due < start + seconds ? due - now : 1;
            load_.wait(std::max(0, static_cast<int>(1e3 * left)), [](size_t) {});
        }
        std::sort(times_.begin(), times_.end());
        return 1e3 * times_[times_.size() * 99 / 100];
    }

  private:
    static constexpr std::string_view mark = R"("text":")";

    void publish(double due) {
        std::array<char, 64> stamp;
        std::snprintf(stamp.data(), stamp.size(), "%.6f ", due);
        load_.send(listeners_, masked_text(R"({"type":"say",)" + std::string(mark) + stamp.data() +
                                           std::string(1000, 'x') + R"("})"));
    }

    Load& load_;
    size_t listeners_;  // the publisher comes after them
    std::vector<double> times_;
};

void slow(Load& load, size_t count, const std::string& path, double seconds, size_t others) {
    load.open_all(0, count, path);
    load.open_all(count, count + 1, path + "pub");
    Clockwork clock(load, count);
    clock.fill(20);
    std::string without;
    std::string with;
    size_t held = 0;
    constexpr int rounds = 3;
    for (int round = 0; round < rounds; ++round) {
        without += (round ? "," : "") + std::to_string(clock.p99(seconds));
        load.small_buffers = true;
        load.open_all(count + 1, count + 1 + others, path + "slow");
        for (size_t i = 0; i < others; ++i) load.stall(count + 1 + i);
        clock.fill(80);
        with += (round ? "," : "") + std::to_string(clock.p99(seconds));
        for (size_t i = 0; i < others; ++i) {
            held += load.held(count + 1 + i) ? 1 : 0;
            load.close(count + 1 + i);
        }
        sleep(1);  // the server notices
    }
    std::printf("{\"without_ms\":[%s],\"with_ms\":[%s],\"held\":%zu}\n", without.c_str(), with.c_str(),
                held / rounds);
}

// The channel's epoch, out of the first message that a listener gets.
std::string epoch_of(Load& load, size_t publisher) {
    std::string epoch;
    load.on_frame = [&](std::string_view frame) {
        const std::string_view mark = "\"epoch\":\"";
        const size_t at = frame.find(mark);
        if (at != std::string_view::npos) epoch = frame.substr(at + mark.size(), 8);
    };
    load.send(publisher, masked_text(R"({"type":"say","text":"first"})"));
    while (epoch.empty()) load.turn([](size_t) {});
    load.on_frame = nullptr;
    return epoch;
}

void recover(Load& load, size_t count, const std::string& path, size_t missed) {
    load.open_all(0, 1, path);
    load.open_all(1, 2, path + "pub");
    load.open_all(2, 2 + count, path + "late");
    const std::string epoch = epoch_of(load, 1);
    for (size_t i = 1; i < missed; ++i)
        load.send(1, masked_text(R"({"type":"say","text":")" + std::string(170, 'x') + R"("})"));
    load.delivered = 0;
    while (load.delivered + 1 < missed) load.turn([](size_t) {});
    const std::string ask = masked_text(R"({"type":"$subscribe","channel":"kept/all","since":{"epoch":")" +
                                        epoch + R"(","offset":0}})");
    std::printf("ready\n");
    std::fflush(stdout);
    wait_for_line();
    const double start = seconds_now();
    load.delivered = 0;
    for (size_t i = 0; i < count; ++i) load.send(2 + i, ask);
    while (load.delivered < count * (missed + 1)) load.turn([](size_t) {});
    std::printf("{\"messages\":%zu,\"seconds\":%.3f}\n", count * missed, seconds_now() - start);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5)
        return std::fprintf(
                   stderr,
                   "usage: bench_load idle|churn|refused|fanout|channels|subscribe|echo|answers|recover|slow "
                   "PORT PATH N [SECONDS [M]]\n"),
               64;
    const std::string mode = argv[1];
    const std::string path = argv[3];
    const auto count = static_cast<size_t>(std::atol(argv[4]));
    const double seconds = argc > 5 ? std::atof(argv[5]) : 2;
    const auto more = argc > 6 ? static_cast<size_t>(std::atol(argv[6])) : 1;
    const size_t clients = mode == "channels" ? count * (more + 1) : count + 2 + more;
    Load load(static_cast<uint16_t>(std::atoi(argv[2])), path, clients);
    if (mode == "idle") idle(load, count, path);
    if (mode == "churn") churn(load, count, path, seconds);
    if (mode == "refused") refused(load, count, path, static_cast<uint64_t>(seconds));
    if (mode == "fanout") fanout(load, count, path, seconds, more);
    if (mode == "subscribe") subscribe(load, count, path, more);
    if (mode == "channels") channels(load, count, path, seconds, more);
    if (mode == "echo") echo(load, count, path, seconds);
    if (mode == "answers") answers(load, count, path, seconds, more);
    if (mode == "recover") recover(load, count, path, more);
    if (mode == "slow") slow(load, count, path, seconds, more);
    return 0;
}
