// Epochs of channels of which nothing is kept: subscribers are told of a position before the first message,
// and asking must cost no memory and no write. Pure, but for the seed.
#pragma once

#include <cstdint>
#include <string_view>

namespace wayleave {

// The epoch that such a channel has under a seed: 48 bits, never 0. When a numbering is forgotten, the seed
// is renewed, so that it does not begin again under the epoch it had.
[[nodiscard]] uint64_t epoch_of(uint64_t seed, std::string_view channel);
[[nodiscard]] uint64_t random_seed();

}  // namespace wayleave
