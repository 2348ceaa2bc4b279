// Bytes that wait to be written to one peer: appended behind, written from the front. An empty one owns no
// memory, and what is written does not stay, however long something waits behind it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wayleave {

class Unwritten {
  public:
    // To append to.
    [[nodiscard]] std::string& text() { return text_; }
    [[nodiscard]] std::string_view view() const { return std::string_view(text_).substr(written_); }
    [[nodiscard]] size_t held() const { return text_.capacity(); }

    void written(size_t bytes) {
        written_ += bytes;
        if (written_ >= text_.size()) {
            std::string().swap(text_);
            written_ = 0;
        } else if (written_ * 2 >= text_.size()) {  // so that each byte is moved once at most
            text_.erase(0, written_);
            written_ = 0;
        }
    }

  private:
    std::string text_;
    size_t written_ = 0;  // of it
};

}  // namespace wayleave
