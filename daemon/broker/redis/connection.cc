#include "daemon/broker/redis/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace wayleave {
namespace {

constexpr size_t read_at_once = 64 << 10;
constexpr int reads_a_turn = 16;
constexpr int64_t look_again_ms = 10;
constexpr int half_open_ms = 5000;  // what is sent and not acknowledged for so long ends the connection

std::string words_of(int error) {
    return std::generic_category().message(error);
}

void set(int fd, int level, int option, int value) {
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

Result<std::shared_ptr<SSL_CTX>> make_redis_tls(const RedisTlsFiles& files) {
    std::shared_ptr<SSL_CTX> out(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    ERR_clear_error();
    if (!out || SSL_CTX_set_min_proto_version(out.get(), TLS1_2_VERSION) != 1)
        return failure("OpenSSL offers no TLS 1.2");
    const bool trusts = files.ca.empty()
                            ? SSL_CTX_set_default_verify_paths(out.get()) == 1
                            : SSL_CTX_load_verify_locations(out.get(), files.ca.c_str(), nullptr) == 1;
    if (!trusts)
        return failure(files.ca.empty() ? "OpenSSL cannot read the authorities that the system trusts"
                                        : "redis.ca: " + files.ca + " holds no certificate that can be read");
    if (!files.certificate.empty()) {
        if (SSL_CTX_use_certificate_chain_file(out.get(), files.certificate.c_str()) != 1)
            return failure("redis.certificate: " + files.certificate + " cannot be read as a certificate");
        if (SSL_CTX_use_PrivateKey_file(out.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
            return failure("redis.key: " + files.key + " cannot be read, or belongs to another certificate");
    }
    // What is partly written goes on from another place in memory: the output grows meanwhile.
    SSL_CTX_set_mode(out.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(out.get(), SSL_VERIFY_PEER, nullptr);
    return out;
}

// getaddrinfo() cannot be stopped. A thread that hangs in it is left behind, and one at a time is enough.
struct RedisConnection::Lookup {
    std::mutex mutex;
    bool done = false;
    std::string error;
    std::vector<Address> found;
};

RedisConnection::RedisConnection(RedisLink& link, const RedisTarget& target)
    : link_(link), target_(target), tls_(nullptr, SSL_free), buffer_(read_at_once) {}

RedisConnection::~RedisConnection() {
    close();
}

void RedisConnection::close() {
    tls_.reset();
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    wants_write_ = false;
    addresses_.clear();
    stage_ = Stage::closed;
}

void RedisConnection::fail(const std::string& because, int64_t now_ms) {
    close();
    link_.lost({because}, now_ms);
}

void RedisConnection::turn(int64_t now_ms) {
    if (link_.state() == RedisLink::State::waiting) {
        if (stage_ != Stage::closed) close();
        if (!link_.wants_opening(now_ms)) return;
        link_.open(now_ms);
        look_up();
    }
    if (stage_ == Stage::looking_up) looked_up(now_ms);
    if (stage_ == Stage::open && !link_.output().empty()) write(now_ms);
}

pollfd RedisConnection::wanted() const {
    const bool writes = stage_ == Stage::dialing || wants_write_;
    return {fd_, static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0};
}

int64_t RedisConnection::wake_ms(int64_t now_ms) const {
    return stage_ == Stage::looking_up ? now_ms + look_again_ms : link_.deadline_ms();
}

void RedisConnection::ready(short events, int64_t now_ms) {
    if (events == 0) return;
    if (stage_ == Stage::dialing) return dialed(now_ms);
    if (stage_ == Stage::securing) return secure(now_ms);
    if (stage_ != Stage::open) return;
    wants_write_ = false;
    read(now_ms);
    if (stage_ == Stage::open && !link_.output().empty()) write(now_ms);
}

void RedisConnection::retarget() {
    close();
    lookup_.reset();  // a thread that hangs in it goes on alone
    attempts_ = 0;
}

// --- from a name to bytes that flow ---

void RedisConnection::look_up() {
    stage_ = Stage::looking_up;
    if (lookup_) return;  // the one before still hangs
    lookup_ = std::make_shared<Lookup>();
    const auto find = [lookup = lookup_, host = target_.host,
                       port = std::to_string(target_.port)](int flags) {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_NUMERICSERV | flags;
        addrinfo* found = nullptr;
        const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
        const std::lock_guard lock(lookup->mutex);
        if (error != 0) lookup->error = host + " is not found: " + gai_strerror(error);
        for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
            Address address;
            std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
            address.size = one->ai_addrlen;
            lookup->found.push_back(address);
        }
        if (found != nullptr) freeaddrinfo(found);
        lookup->done = error == 0 || flags == 0;
    };
    find(AI_NUMERICHOST);
    if (!lookup_->done) std::thread([find] { find(0); }).detach();
}

void RedisConnection::looked_up(int64_t now_ms) {
    {
        const std::lock_guard lock(lookup_->mutex);
        if (!lookup_->done) return;
        addresses_ = lookup_->found;
        last_error_ = lookup_->error;
    }
    lookup_.reset();
    if (!addresses_.empty()) {
        const auto first = static_cast<std::ptrdiff_t>(attempts_++ % addresses_.size());
        std::rotate(addresses_.begin(), addresses_.begin() + first, addresses_.end());
    }
    std::reverse(addresses_.begin(), addresses_.end());
    dial(now_ms);
}

void RedisConnection::dial(int64_t now_ms) {
    while (!addresses_.empty()) {
        const Address address = addresses_.back();
        addresses_.pop_back();
        if (fd_ >= 0) ::close(fd_);
        fd_ = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd_ < 0) {
            last_error_ = words_of(errno);
            continue;
        }
        set(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
        set(fd_, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, half_open_ms);
        stage_ = Stage::dialing;
        if (connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0)
            return dialed(now_ms);
        if (errno == EINPROGRESS) return;
        last_error_ = words_of(errno);
    }
    fail(last_error_, now_ms);
}

void RedisConnection::dialed(int64_t now_ms) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) {
        last_error_ = words_of(error);
        return dial(now_ms);
    }
    if (target_.tls) {
        if (!begin_tls()) return fail("OpenSSL cannot begin TLS", now_ms);
        stage_ = Stage::securing;
        return secure(now_ms);
    }
    stage_ = Stage::open;
    attempts_ = 0;
    link_.opened(now_ms);
    write(now_ms);
}

bool RedisConnection::begin_tls() {
    const std::string& name = target_.server_name.empty() ? target_.host : target_.server_name;
    tls_.reset(SSL_new(target_.tls.get()));
    if (!tls_ || SSL_set_fd(tls_.get(), fd_) != 1) return false;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_.get()), name.c_str()) == 1) return true;
    return SSL_set1_host(tls_.get(), name.c_str()) == 1 &&
           // The macro for it has a cast of the old kind.
           SSL_ctrl(tls_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    const_cast<char*>(name.c_str())) == 1;
}

void RedisConnection::secure(int64_t now_ms) {
    ERR_clear_error();
    const int result = SSL_connect(tls_.get());
    if (result != 1) {
        if (!waits(result)) fail(tls_error(), now_ms);
        return;
    }
    wants_write_ = false;
    stage_ = Stage::open;
    attempts_ = 0;
    link_.opened(now_ms);
    write(now_ms);
}

bool RedisConnection::waits(int result) {
    const int error = SSL_get_error(tls_.get(), result);
    wants_write_ = error == SSL_ERROR_WANT_WRITE;
    return wants_write_ || error == SSL_ERROR_WANT_READ;
}

std::string RedisConnection::tls_error() const {
    if (const long wrong = SSL_get_verify_result(tls_.get()); wrong != X509_V_OK)
        return std::string("its certificate is not believed: ") + X509_verify_cert_error_string(wrong);
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    return std::string("TLS failed: ") + (reason != nullptr ? reason : "the connection was closed");
}

// --- bytes ---

void RedisConnection::read(int64_t now_ms) {
    for (int i = 0; i < reads_a_turn && stage_ == Stage::open; ++i) {
        ssize_t size = 0;
        if (tls_) {
            ERR_clear_error();
            size = SSL_read(tls_.get(), buffer_.data(), static_cast<int>(buffer_.size()));
            if (size <= 0 && waits(static_cast<int>(size))) return;
        } else {
            size = recv(fd_, buffer_.data(), buffer_.size(), 0);
            if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        }
        if (size <= 0)
            return fail(size < 0 && !tls_ ? words_of(errno) : "it has closed the connection", now_ms);
        link_.received({buffer_.data(), static_cast<size_t>(size)}, now_ms);
        if (link_.state() == RedisLink::State::waiting) return close();
        // Only a buffer that is full says that there is more; TLS has some of its own.
        if (!tls_ && static_cast<size_t>(size) < buffer_.size()) return;
    }
}

void RedisConnection::write(int64_t now_ms) {
    std::string& output = link_.output();
    size_t written = 0;
    while (written < output.size()) {
        ssize_t size = 0;
        const size_t left = output.size() - written;
        if (tls_) {
            ERR_clear_error();
            size = SSL_write(tls_.get(), output.data() + written,
                             static_cast<int>(std::min<size_t>(left, 1 << 30)));
            if (size <= 0 && waits(static_cast<int>(size))) break;
        } else {
            size = send(fd_, output.data() + written, left, MSG_NOSIGNAL);
            if (size < 0 && errno == EAGAIN) {
                wants_write_ = true;
                break;
            }
        }
        if (size <= 0)
            return fail(size < 0 && !tls_ ? words_of(errno) : "it has closed the connection", now_ms);
        written += static_cast<size_t>(size);
    }
    output.erase(0, written);
}

}  // namespace wayleave
