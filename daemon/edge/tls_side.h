// The certificates of one TLS listener, read and checked: immutable, replaced whole by a reload and shared by
// the workers. Connections that began with an older one go on with it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/edge/tls_files.h"
#include "dsl/text/result.h"

struct ssl_st;
struct ssl_ctx_st;
struct x509_store_st;
struct stack_st_X509_NAME;

namespace wayleave {

class TlsSide {
  public:
    // Error: "PATH: what is wrong; remedy". Blocking I/O.
    [[nodiscard]] static Result<std::shared_ptr<const TlsSide>> load(const TlsOptions& options);
    ~TlsSide();
    TlsSide(const TlsSide&) = delete;
    TlsSide& operator=(const TlsSide&) = delete;

    // To be called for a context that libwebsockets has made, for each side that it serves in turn: names are
    // ours to choose by, and sessions are resumed by tickets that all workers can read and that end with this
    // side.
    void prepare(ssl_ctx_st* context) const;

    // In the client's hello, before anything is agreed: the certificate for the name that it asks for.
    [[nodiscard]] bool choose(ssl_st* ssl) const;

    struct Certificate {
        std::string path;
        int64_t expires_s = 0;           // since 1970
        std::vector<std::string> names;  // lower case; "*.example.org" too
        std::string serial;              // hexadecimal
    };
    [[nodiscard]] const std::vector<Certificate>& certificates() const { return certificates_; }

  private:
    TlsSide() = default;
    [[nodiscard]] Status add(const TlsFiles& files);
    [[nodiscard]] Status read_client_ca(const TlsOptions& options);
    [[nodiscard]] size_t find(std::string_view name) const;

    struct Free {
        void operator()(ssl_ctx_st* context) const noexcept;
        void operator()(x509_store_st* store) const noexcept;
        void operator()(stack_st_X509_NAME* names) const noexcept;
    };
    std::vector<std::unique_ptr<ssl_ctx_st, Free>> contexts_;  // one for each certificate
    std::vector<Certificate> certificates_;
    std::unique_ptr<x509_store_st, Free> client_ca_;
    std::unique_ptr<stack_st_X509_NAME, Free> client_names_;
    bool client_required_ = false;
    std::array<unsigned char, 80> ticket_keys_{};
};

}  // namespace wayleave
