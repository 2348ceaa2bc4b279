// UTF-8 that comes in pieces, judged at the byte at which it becomes invalid.
#pragma once

#include <cstdint>
#include <string_view>

namespace wayleave {

class Utf8Reader {
  public:
    // False: with these bytes the text cannot be UTF-8 any more, whatever follows.
    [[nodiscard]] bool take(std::string_view bytes);
    // The text may end here: no character is half read.
    [[nodiscard]] bool complete() const { return missing_ == 0; }

  private:
    [[nodiscard]] bool step(uint8_t byte);
    [[nodiscard]] bool begin(uint8_t first);

    uint8_t missing_ = 0;  // bytes of the character that has begun
    uint8_t low_ = 0;      // the next one is between these
    uint8_t high_ = 0;
};

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace wayleave
