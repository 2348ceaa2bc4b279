#include "daemon/edge/tls_files.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace wayleave {

namespace {

struct FreeContext {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct CloseFile {
    void operator()(FILE* file) const noexcept { std::fclose(file); }
};

Status check_readable(const std::string& path) {
    const std::unique_ptr<FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
    if (file) return success();
    return failure(path + ": " + std::strerror(errno) + "; check the path and who may read it");
}

// What OpenSSL says last is the nearest to the cause. The queue is emptied: it belongs to the thread, not to
// us.
std::string openssl_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    std::string text = reason == nullptr ? "no reason given" : reason;
    ERR_clear_error();
    return text;
}

}  // namespace

Status check_tls_files(const TlsFiles& files) {
    if (auto readable = check_readable(files.certificate); !readable) return readable;
    if (auto readable = check_readable(files.key); !readable) return readable;
    const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_server_method()));
    if (!context) return failure("OpenSSL cannot start: " + openssl_reason());
    // A key with a pass phrase must not ask for it on the terminal.
    SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
        return failure(files.certificate + ": is no usable certificate in PEM (" + openssl_reason() +
                       "); write the server's certificate, then those between it and the root");
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        return failure(files.key + ": is no usable private key in PEM (" + openssl_reason() +
                       "); it must not be encrypted and must belong to " + files.certificate);
    }
    if (SSL_CTX_check_private_key(context.get()) != 1) {
        ERR_clear_error();
        return failure(files.key + ": does not belong to " + files.certificate +
                       "; name the key of that certificate");
    }
    return success();
}

}  // namespace wayleave
