#include "tests/unit/redis/redis_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace wayleave {
namespace {

sockaddr_in local(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

[[noreturn]] void become(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], argv.data());
    _exit(127);
}

}  // namespace

bool redis_installed() {
    for (const char* path : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"}) {
        if (access(path, X_OK) == 0) return true;
    }
    return false;
}

uint16_t free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = local(0);
    socklen_t size = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("no free port");
    close(fd);
    return ntohs(address.sin_port);
}

RedisClient::RedisClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = local(port);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
    close(fd_);
    fd_ = -1;
}

RedisClient::~RedisClient() {
    if (fd_ >= 0) close(fd_);
}

RedisReply RedisClient::ask(const std::vector<std::string>& words) {
    std::string command;
    append_command(command, {words.begin(), words.end()});
    if (send(fd_, command.data(), command.size(), MSG_NOSIGNAL) < 0)
        return {RedisReply::Kind::lost, 0, "closed", {}};
    for (;;) {
        auto reply = reader_.next();
        if (!reply) throw std::runtime_error(reply.error());
        if (*reply) return std::move(**reply);
        char bytes[65'536];
        const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
        if (size <= 0) return {RedisReply::Kind::lost, 0, "closed", {}};
        if (!reader_.feed({bytes, static_cast<size_t>(size)})) throw std::runtime_error("garbled");
    }
}

RedisServer::RedisServer(std::vector<std::string> options) : options_(std::move(options)) {
    std::string pattern = "/tmp/wayleave-redis-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory");
    directory_ = pattern;
    port_ = free_port();
    start();
}

RedisServer::~RedisServer() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::start() {
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   directory_,
                                   "--logfile",
                                   directory_ + "/log",
                                   "--save",
                                   "",
                                   "--enable-debug-command",
                                   "yes",
                                   "--daemonize",
                                   "no"};
    words.insert(words.end(), options_.begin(), options_.end());
    pid_ = fork();
    if (pid_ == 0) become(words);
    for (int i = 0; i < 1000; ++i) {
        RedisClient client(port_);
        if (client.connected()) {
            const RedisReply reply = client.ask({"PING"});
            if (reply.text == "PONG" || reply.error_is("NOAUTH") || reply.error_is("NOPERM")) return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("redis-server does not start");
}

void RedisServer::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void RedisServer::stop() const {
    ::kill(pid_, SIGSTOP);
}

void RedisServer::resume() const {
    ::kill(pid_, SIGCONT);
}

RedisReply RedisServer::ask(const std::vector<std::string>& words) const {
    RedisClient client(port_);
    return client.ask(words);
}

}  // namespace wayleave
