// A hash map from text, asked with views. The hash is seeded per process: peers choose some of the keys.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>

#include <functional>
#include <string>
#include <string_view>

namespace wayleave {

struct SeededHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const {
        // Debian builds abseil for C++14, where its string_view is a type of its own.
        return absl::Hash<absl::string_view>{}(absl::string_view(text.data(), text.size()));
    }
};

// Which of so many stripes. A map looks at the low bits of the same hash; if those chose the stripe, all keys
// of a stripe would look alike to it.
inline size_t stripe_for(std::string_view text, size_t stripes) {
    return (SeededHash{}(text) >> 32U) % stripes;
}

template <class T>
using StringMap = absl::flat_hash_map<std::string, T, SeededHash, std::equal_to<>>;

}  // namespace wayleave
