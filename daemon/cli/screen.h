// The terminal as a page that is drawn anew; ncurses behind it. It is the terminal's again when this goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace wayleave {

class Screen {
  public:
    Screen();
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    [[nodiscard]] size_t rows() const;
    // Lines that are too long are cut; the first is emphasised.
    void show(const std::vector<std::string>& lines);
    // Waits; true: this key, or Ctrl-C, was pressed meanwhile.
    [[nodiscard]] bool key_within(int64_t ms, int key);
};

}  // namespace wayleave
