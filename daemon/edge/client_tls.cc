#include "daemon/edge/client_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string>
#include <utility>

namespace wayleave {
namespace {

constexpr int64_t roots_believed_ms = 600'000;

Result<ClientTls::Context> make_context() {
    ClientTls::Context out(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    // What is partly written goes on from another place in memory: queues grow meanwhile.
    const bool made = out && SSL_CTX_set_min_proto_version(out.get(), TLS1_2_VERSION) == 1 &&
                      SSL_CTX_set_default_verify_paths(out.get()) == 1;
    if (!made) {
        ERR_clear_error();
        return failure("OpenSSL cannot read the authorities that the system trusts");
    }
    SSL_CTX_set_mode(out.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(out.get(), SSL_VERIFY_PEER, nullptr);
    return out;
}

}  // namespace

void ClientTls::prepare(int64_t now_ms, Done done) {
    now_ms_ = now_ms;
    if (context_ && until_ms_ > now_ms) return done(context_);
    waiting_.push_back(std::move(done));
    if (waiting_.size() > 1) return;
    if (!thread_) thread_ = std::make_unique<HelperThread>("wayleave-tls");
    thread_->post([this] { calls_.post([this, made = make_context()] { finish(made); }); });
}

void ClientTls::finish(const Result<Context>& made) {
    if (made) {
        context_ = *made;
        until_ms_ = now_ms_ + roots_believed_ms;
    }
    for (const Done& done : std::exchange(waiting_, {})) done(made);
}

}  // namespace wayleave
