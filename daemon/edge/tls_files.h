// What the settings say about one TLS listener.
#pragma once

#include <string>
#include <vector>

namespace wayleave {

struct TlsFiles {
    std::string certificate;  // PEM, the server's own certificate first
    std::string key;          // PEM

    bool operator==(const TlsFiles&) const = default;
};

struct TlsOptions {
    std::vector<TlsFiles> certificates;  // the first for who asks for no name that is known
    std::string client_ca;               // PEM; empty: clients are asked for no certificate
    bool client_required = false;

    bool operator==(const TlsOptions&) const = default;
};

}  // namespace wayleave
