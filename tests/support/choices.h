// Where generated tests take their decisions from: a seed, or the bytes of a fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace wayleave::tests {

class Choices {
  public:
    explicit Choices(uint64_t seed) : state_(seed) {}
    // When the bytes are used up every choice is the first.
    explicit Choices(std::span<const uint8_t> bytes) : bytes_(bytes), from_bytes_(true) {}

    // From 0 to n - 1.
    size_t below(size_t n) { return n < 2 ? 0 : static_cast<size_t>(from_bytes_ ? byte() : random()) % n; }
    bool chance(size_t percent) { return below(100) >= 100 - percent; }
    template <class List>
    const auto& pick(const List& list) {
        return list[below(std::size(list))];
    }

  private:
    uint64_t byte() {
        if (bytes_.empty()) return 0;
        const uint8_t first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    uint64_t random() {  // splitmix64: the same on every machine
        uint64_t z = (state_ += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    uint64_t state_ = 0;
    std::span<const uint8_t> bytes_;
    bool from_bytes_ = false;
};

}  // namespace wayleave::tests
