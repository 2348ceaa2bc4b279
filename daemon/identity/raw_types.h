// What both sides, verifying and signing, need of the types of the C libraries below them. Not for other
// folders.
#pragma once

#include <rhonabwy.h>

#include <string_view>

namespace wayleave {

struct FreeJwk {
    void operator()(jwk_t* jwk) const noexcept { r_jwk_free(jwk); }
};

[[nodiscard]] inline const unsigned char* bytes_of(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace wayleave
