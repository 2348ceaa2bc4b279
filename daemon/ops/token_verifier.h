// The keys of all `token` blocks of one policy, behind the interface that the core asks. Immutable;
// thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/runtime.h"
#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_set.h"

namespace wayleave {

struct TokenKeys {
    KeySet keys;
    std::vector<Algorithm> allowed;
};

class KeyFileVerifier final : public TokenVerifier {
  public:
    // In the order of Policy::tokens.
    explicit KeyFileVerifier(std::vector<TokenKeys> tokens) : tokens_(std::move(tokens)) {}

    [[nodiscard]] Result<std::string, std::string_view> verify(size_t token,
                                                               std::string_view compact) const override;

  private:
    std::vector<TokenKeys> tokens_;
};

}  // namespace wayleave
