// A link and its socket: names are looked up on a thread of their own, TCP, TLS, and what one turn reads and
// writes. poll(2) suffices for it, since a server has two.
#pragma once

#include <openssl/types.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/broker/redis/link.h"
#include "dsl/text/result.h"

namespace wayleave {

// The server, and how it proves that it is the right one.
struct RedisTarget {
    std::string host;
    uint16_t port = 6379;
    std::shared_ptr<SSL_CTX> tls = nullptr;  // null: none
    std::string server_name = {};            // in its certificate; empty: `host`
};

struct RedisTlsFiles {
    std::string ca;           // empty: the authorities that the system trusts
    std::string certificate;  // empty: none is shown
    std::string key;
};
// Blocking. Peers are verified; there is no switch to turn that off.
[[nodiscard]] Result<std::shared_ptr<SSL_CTX>> make_redis_tls(const RedisTlsFiles& files);

class RedisConnection {
  public:
    RedisConnection(RedisLink& link, const RedisTarget& target);  // both borrowed
    ~RedisConnection();
    RedisConnection(const RedisConnection&) = delete;
    RedisConnection& operator=(const RedisConnection&) = delete;

    // Opens and closes as the link wants it, and writes what the link has.
    void turn(int64_t now_ms);
    // What to wait for; fd -1: nothing. And when to come again at the latest.
    [[nodiscard]] pollfd wanted() const;
    [[nodiscard]] int64_t wake_ms(int64_t now_ms) const;
    void ready(short events, int64_t now_ms);
    // The target has become another: what is known of the one before is forgotten.
    void retarget();

  private:
    struct Address {
        sockaddr_storage storage{};
        socklen_t size = 0;
    };
    struct Lookup;
    enum class Stage : uint8_t { closed, looking_up, dialing, securing, open };
    using Tls = std::unique_ptr<SSL, void (*)(SSL*)>;

    void close();
    void look_up();
    void looked_up(int64_t now_ms);
    void dial(int64_t now_ms);
    void dialed(int64_t now_ms);
    [[nodiscard]] bool begin_tls();
    void secure(int64_t now_ms);
    void read(int64_t now_ms);
    void write(int64_t now_ms);
    // Of a call to OpenSSL that did not do it: true where it waits only.
    [[nodiscard]] bool waits(int result);
    [[nodiscard]] std::string tls_error() const;
    void fail(const std::string& because, int64_t now_ms);

    RedisLink& link_;
    const RedisTarget& target_;
    Stage stage_ = Stage::closed;
    std::shared_ptr<Lookup> lookup_;  // shared with the thread, which may outlive us
    std::vector<Address> addresses_;  // that are left to try
    size_t attempts_ = 0;             // since one was open: one that is silent must not hide those after it
    std::string last_error_;
    int fd_ = -1;
    Tls tls_;
    bool wants_write_ = false;
    std::vector<char> buffer_;
};

}  // namespace wayleave
