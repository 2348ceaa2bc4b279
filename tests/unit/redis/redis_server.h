// A redis-server of the test's own, on a free port of 127.0.0.1 and in a directory of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/broker/redis/reply.h"

namespace wayleave {

// Where the program is missing the tests that need it are skipped, and say so. Continuous integration has it.
[[nodiscard]] bool redis_installed();
#define NEEDS_REDIS()                                      \
    do {                                                   \
        if (!redis_installed()) {                          \
            WARN("skipped: no redis-server is installed"); \
            return;                                        \
        }                                                  \
    } while (false)

// Asks over a connection of its own, and waits for the answer.
class RedisClient {
  public:
    RedisClient() = default;
    explicit RedisClient(uint16_t port);
    ~RedisClient();
    RedisClient(const RedisClient&) = delete;
    RedisClient& operator=(const RedisClient&) = delete;

    RedisReply ask(const std::vector<std::string>& words);
    [[nodiscard]] bool connected() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
    RedisReplyReader reader_;
};

class RedisServer {
  public:
    explicit RedisServer(std::vector<std::string> options = {});
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    void start();
    void kill();        // -9
    void stop() const;  // SIGSTOP
    void resume() const;

    [[nodiscard]] uint16_t port() const { return port_; }
    [[nodiscard]] const std::string& directory() const { return directory_; }
    RedisReply ask(const std::vector<std::string>& words) const;

  private:
    std::vector<std::string> options_;
    std::string directory_;
    uint16_t port_ = 0;
    pid_t pid_ = -1;
};

[[nodiscard]] uint16_t free_port();

}  // namespace wayleave
