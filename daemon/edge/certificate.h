// A client's certificate as claims, for tokens `from certificate`.
#pragma once

#include <optional>
#include <string>

struct x509_st;

namespace wayleave {

// {"sub": the subject's CN, "subject": {"CN": …}, "issuer": {…}, "san": {"dns": […], "email": […], "uri":
// […]}, "serial": hex, "fingerprint": SHA-256 in hex, "nbf": …, "exp": …}. A name that stands twice in a
// subject is there twice, so that a claim which reads it is refused. Nothing if it is larger than 8 KiB or
// not understood: it proves nothing then.
[[nodiscard]] std::optional<std::string> claims_of_certificate(const x509_st* certificate);

}  // namespace wayleave
