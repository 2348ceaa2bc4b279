// A client's certificate of any content becomes claims that are JSON and bounded, or nothing.
#include <openssl/x509.h>

#include <cstdint>
#include <cstdlib>

#include "daemon/edge/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const unsigned char* at = data;
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(size));
    if (certificate == nullptr) return 0;
    const auto claims = wayleave::claims_of_certificate(certificate);
    X509_free(certificate);
    if (claims && (claims->size() > 8192 || claims->front() != '{' || claims->back() != '}')) std::abort();
    return 0;
}
