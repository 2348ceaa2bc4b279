#include "daemon/edge/tls_side.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

namespace wayleave {

namespace {

struct CloseFile {
    void operator()(FILE* file) const noexcept { std::fclose(file); }
};
struct FreeNames {
    void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
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

// As of any secret file, but that a group is not asked about: many systems give these keys to one of their
// own.
Status refuse_if_open_to_all(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || (info.st_mode & (S_IROTH | S_IWOTH)) == 0) return success();
    return failure(path + ": is a private key that everybody can read or write; run chmod 600 " + path);
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::vector<std::string> names_of(const X509* certificate) {
    std::vector<std::string> out;
    const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_DNS) continue;
        const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
        out.push_back(lower({text, static_cast<size_t>(ASN1_STRING_length(name->d.dNSName))}));
    }
    return out;
}

int64_t expiry_of(const X509* certificate) {
    std::tm time{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return 0;
    return timegm(&time);
}

std::string serial_of(const X509* certificate) {
    const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number(
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr), BN_free);
    const std::unique_ptr<char, void (*)(char*)> text(number ? BN_bn2hex(number.get()) : nullptr,
                                                      [](char* owned) { OPENSSL_free(owned); });
    return text ? text.get() : "";
}

// RFC 6066 3: a list of one host name. Nothing if there is none, or it is not understood; then OpenSSL
// judges.
std::optional<std::string> asked_name(SSL* ssl) {
    constexpr size_t longest_name = 255;
    const unsigned char* bytes = nullptr;
    size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1 || size < 5)
        return std::nullopt;
    const size_t length = static_cast<size_t>(bytes[3]) << 8U | bytes[4];
    if (bytes[2] != TLSEXT_NAMETYPE_host_name || length > longest_name || 5 + length > size)
        return std::nullopt;
    return lower({reinterpret_cast<const char*>(bytes) + 5, length});
}

// The hello was looked at already; lws's own call back does not know our contexts, and aborts.
int name_is_settled(SSL*, int*, void*) {
    return SSL_TLSEXT_ERR_OK;
}

void settle_names(SSL_CTX* context) {
    (void)SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                                reinterpret_cast<void (*)()>(name_is_settled));  // as the macro does it
}

// Never h2: we parse the bytes ourselves. A client that offers only others is served without an agreement.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
    constexpr std::string_view ours("\x08http/1.1", 9);
    unsigned char* chosen = nullptr;
    const int found =
        SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), offered, offered_size);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// Without it OpenSSL resumes no session of a client that showed a certificate, and breaks it off.
void name_sessions(SSL_CTX* context) {
    constexpr std::string_view name = "wayleave";
    (void)SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(name.data()),
                                         static_cast<unsigned>(name.size()));
}

Status use_files(SSL_CTX* context, const TlsFiles& files) {
    // A key with a pass phrase must not ask for it on the terminal.
    SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
    if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
        return failure(files.certificate + ": is no usable certificate in PEM (" + openssl_reason() +
                       "); write the server's certificate, then those between it and the root");
    }
    if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        return failure(files.key + ": is no usable private key in PEM (" + openssl_reason() +
                       "); it must not be encrypted and must belong to " + files.certificate);
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        return failure(files.key + ": does not belong to " + files.certificate +
                       "; name the key of that certificate");
    }
    return success();
}

}  // namespace

void TlsSide::Free::operator()(ssl_ctx_st* context) const noexcept {
    SSL_CTX_free(context);
}
void TlsSide::Free::operator()(x509_store_st* store) const noexcept {
    X509_STORE_free(store);
}
void TlsSide::Free::operator()(stack_st_X509_NAME* names) const noexcept {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
}

TlsSide::~TlsSide() {
    OPENSSL_cleanse(ticket_keys_.data(), ticket_keys_.size());
}

Result<std::shared_ptr<const TlsSide>> TlsSide::load(const TlsOptions& options) {
    std::shared_ptr<TlsSide> side(new TlsSide);
    for (const TlsFiles& files : options.certificates) {
        if (auto added = side->add(files); !added) return failure(added.error());
    }
    if (auto read = side->read_client_ca(options); !read) return failure(read.error());
    if (RAND_priv_bytes(side->ticket_keys_.data(), static_cast<int>(side->ticket_keys_.size())) != 1)
        return failure("OpenSSL has no random numbers");
    return std::shared_ptr<const TlsSide>(std::move(side));
}

Status TlsSide::add(const TlsFiles& files) {
    if (auto readable = check_readable(files.certificate); !readable) return readable;
    if (auto readable = check_readable(files.key); !readable) return readable;
    std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_server_method()));
    if (!context) return failure("OpenSSL cannot start: " + openssl_reason());
    if (auto used = use_files(context.get(), files); !used) return used;
    if (auto hidden = refuse_if_open_to_all(files.key); !hidden) return hidden;
    SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
    settle_names(context.get());
    name_sessions(context.get());  // a connection takes this one over with the certificate
    const X509* own = SSL_CTX_get0_certificate(context.get());
    certificates_.push_back({files.certificate, expiry_of(own), names_of(own), serial_of(own)});
    contexts_.push_back(std::move(context));
    return success();
}

Status TlsSide::read_client_ca(const TlsOptions& options) {
    client_required_ = options.client_required;
    if (options.client_ca.empty()) return success();
    if (auto readable = check_readable(options.client_ca); !readable) return readable;
    client_ca_.reset(X509_STORE_new());
    client_names_.reset(SSL_load_client_CA_file(options.client_ca.c_str()));
    const bool read = client_ca_ && X509_STORE_load_file(client_ca_.get(), options.client_ca.c_str()) == 1;
    if (read && client_names_) return success();
    return failure(options.client_ca + ": holds no certificate in PEM (" + openssl_reason() +
                   "); write those of the authorities that sign your clients' certificates");
}

void TlsSide::prepare(ssl_ctx_st* context) const {
    settle_names(context);
    name_sessions(context);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_OFF);  // the client keeps the ticket, we keep nothing
    auto keys = ticket_keys_;  // OpenSSL copies them, though its signature is not const
    SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), static_cast<long>(keys.size()));
    OPENSSL_cleanse(keys.data(), keys.size());
}

// The name itself, else a star for its first label (RFC 6125 6.4.3), else the first certificate.
size_t TlsSide::find(std::string_view name) const {
    const size_t dot = name.find('.');
    const std::string starred =
        dot == std::string_view::npos ? std::string() : "*" + std::string(name.substr(dot));
    for (const std::string_view wanted : {name, std::string_view(starred)}) {
        if (wanted.empty()) continue;
        for (size_t i = 0; i < certificates_.size(); ++i) {
            const auto& names = certificates_[i].names;
            if (std::find(names.begin(), names.end(), wanted) != names.end()) return i;
        }
    }
    return 0;
}

bool TlsSide::choose(ssl_st* ssl) const {
    const auto name = asked_name(ssl);
    SSL_CTX* context = contexts_[name ? find(*name) : 0].get();
    if (SSL_set_SSL_CTX(ssl, context) != context) return false;
    if (!client_ca_) return true;
    SSL_set_verify(ssl, SSL_VERIFY_PEER | (client_required_ ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    STACK_OF(X509_NAME)* names = SSL_dup_CA_list(client_names_.get());
    if (names == nullptr) return false;
    SSL_set_client_CA_list(ssl, names);  // it belongs to the connection now
    return SSL_set1_verify_cert_store(ssl, client_ca_.get()) == 1;
}

}  // namespace wayleave
