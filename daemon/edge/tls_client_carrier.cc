#include "daemon/edge/tls_client_carrier.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace wayleave {
namespace {

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// Whose certificate it must be. An address is not said to the server (RFC 6066 3).
void expect_host(SSL* ssl, const std::string& host) {
    if (is_address(host)) {
        (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
        return;
    }
    // As SSL_set_tlsext_host_name() does, but for its cast.
    (void)SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(host.c_str()));
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    (void)SSL_set1_host(ssl, host.c_str());
}

}  // namespace

void TlsClientCarrier::FreeSsl::operator()(SSL* ssl) const noexcept {
    SSL_free(ssl);
}

TlsClientCarrier::TlsClientCarrier(Loop& loop, FileDescriptor socket, std::vector<char>& buffer,
                                   CarrierEvents& events, ClientTls::Context context, const std::string& host)
    : loop_(loop),
      socket_(std::move(socket)),
      buffer_(buffer),
      events_(events),
      context_(std::move(context)),
      ssl_(SSL_new(context_.get())) {
    if (ssl_) {
        (void)SSL_set_fd(ssl_.get(), socket_.get());
        expect_host(ssl_.get(), host);
        SSL_set_connect_state(ssl_.get());
    }
    ev_io_init(&watcher_, on_io, socket_.get(), 0);
    watcher_.data = this;
    wants_write_ = true;  // so that it is told when it is connected
    watch();
}

TlsClientCarrier::~TlsClientCarrier() {
    ev_io_stop(loop_.raw(), &watcher_);
}

// noexcept: an exception here is a bug, and there is no way for it through C.
void TlsClientCarrier::on_io(struct ev_loop*, ev_io* watcher, int events) noexcept {
    static_cast<TlsClientCarrier*>(watcher->data)->happened(events);
}

void TlsClientCarrier::happened(int events) {
    if (!ready_) {
        if (!shake_hands()) return close();
        if (!ready_) return watch();
        events |= EV_WRITE;
    }
    if ((events & EV_WRITE) != 0) {
        full_ = asked_ = wants_write_ = false;
        if (!events_.writeable()) return close();
    }
    // TLS may have had to write before it could read on, and bytes that it has read are in no socket.
    if (reading_ && !readable()) return close();
    watch();
}

// False: there will be no TLS.
bool TlsClientCarrier::shake_hands() {
    if (!ssl_) return false;
    ERR_clear_error();
    errno = 0;
    const int done = SSL_connect(ssl_.get());
    const int system = errno;
    wants_write_ = false;
    if (done == 1) {
        ready_ = true;
        return true;
    }
    const int error = SSL_get_error(ssl_.get(), done);
    wants_write_ = error == SSL_ERROR_WANT_WRITE;
    if (wants_write_ || error == SSL_ERROR_WANT_READ) return true;
    if (error == SSL_ERROR_SYSCALL && system != 0) why_ = std::strerror(system);
    note_failure();
    return false;
}

void TlsClientCarrier::note_failure() {
    const long verdict = SSL_get_verify_result(ssl_.get());
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    if (verdict != X509_V_OK) {
        why_ = std::string("its certificate is not accepted: ") + X509_verify_cert_error_string(verdict);
    } else if (reason != nullptr) {
        why_ = std::string("TLS is not agreed: ") + reason;
    }
    ERR_clear_error();
}

bool TlsClientCarrier::readable() {
    // As much as one event brings, and then what TLS holds already, of which no event tells.
    for (bool again = true; again && reading_;) {
        if (!events_.may_read()) return true;
        ERR_clear_error();
        const int most = static_cast<int>(std::min<size_t>(buffer_.size(), INT_MAX));
        const int size = SSL_read(ssl_.get(), buffer_.data(), most);
        if (size <= 0) {
            const int error = SSL_get_error(ssl_.get(), size);
            ERR_clear_error();
            finished_ = error == SSL_ERROR_ZERO_RETURN;
            wants_write_ = error == SSL_ERROR_WANT_WRITE;
            return wants_write_ || error == SSL_ERROR_WANT_READ;
        }
        if (!events_.received({buffer_.data(), static_cast<size_t>(size)})) return false;
        again = SSL_pending(ssl_.get()) > 0;
    }
    return true;
}

std::optional<size_t> TlsClientCarrier::write(std::string_view bytes) {
    ERR_clear_error();
    const int most = static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX));
    const int sent = SSL_write(ssl_.get(), bytes.data(), most);
    if (sent > 0) {
        full_ = static_cast<size_t>(sent) < bytes.size();
        watch();
        return static_cast<size_t>(sent);
    }
    const int error = SSL_get_error(ssl_.get(), sent);
    ERR_clear_error();
    // What waits for a read goes on with the next event, whatever it is.
    if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) return std::nullopt;
    full_ = true;
    watch();
    return 0;
}

void TlsClientCarrier::ask_writeable() {
    asked_ = true;
    watch();
}

void TlsClientCarrier::read(bool on) {
    const bool begins = on && !reading_;
    reading_ = on;
    // What TLS has read already is told of by no event of the socket.
    if (begins && ready_ && SSL_pending(ssl_.get()) > 0) asked_ = true;
    watch();
}

void TlsClientCarrier::end_output() {
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

void TlsClientCarrier::close() {
    ev_io_stop(loop_.raw(), &watcher_);  // before its descriptor can be another's
    if (ready_) end_output();
    ssl_.reset();
    ready_ = false;
    socket_.close();
    events_.gone();
}

void TlsClientCarrier::watch() {
    const bool reads = reading_ || !ready_;
    const int wanted = (reads ? EV_READ : 0) | (full_ || asked_ || wants_write_ ? EV_WRITE : 0);
    if (wanted == watched_ || !socket_.open()) return;
    watched_ = wanted;
    ev_io_stop(loop_.raw(), &watcher_);
    if (wanted == 0) return;
    ev_io_set(&watcher_, watcher_.fd, wanted);
    ev_io_start(loop_.raw(), &watcher_);
}

}  // namespace wayleave
