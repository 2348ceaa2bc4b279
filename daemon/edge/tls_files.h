// The files of one TLS listener.
#pragma once

#include <string>

#include "dsl/result.h"

namespace wayleave {

struct TlsFiles {
    std::string certificate;  // PEM, the server's own certificate first
    std::string key;          // PEM

    bool operator==(const TlsFiles&) const = default;
};

// Whether a listener can be opened with them. lws does not see that a key belongs to another certificate if
// they are of different kinds, and says little about the rest. Error: "PATH: what is wrong; remedy". Blocking
// I/O.
[[nodiscard]] Status check_tls_files(const TlsFiles& files);

}  // namespace wayleave
