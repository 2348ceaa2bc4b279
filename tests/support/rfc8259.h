// Whether a text is JSON by the grammar of RFC 8259, in UTF-8: written from the RFC, for comparison with what
// we take.
#pragma once

#include <cstddef>
#include <string_view>

#include "dsl/text/text.h"

namespace wayleave::test {

class Rfc8259 {
  public:
    static bool holds(std::string_view text) {
        Rfc8259 reader{text};
        return dsl::first_invalid_utf8(text) == std::string_view::npos && reader.value(0) && reader.space() &&
               reader.at_ == text.size();
    }

  private:
    explicit Rfc8259(std::string_view text) : text_(text) {}

    [[nodiscard]] bool next_is(std::string_view any) const {
        return at_ < text_.size() && any.find(text_[at_]) != std::string_view::npos;
    }
    bool take(std::string_view any) {
        const bool there = next_is(any);
        at_ += there ? 1 : 0;
        return there;
    }
    bool many(std::string_view any) {
        const size_t start = at_;
        while (take(any)) {
        }
        return at_ > start;
    }
    bool space() {
        many(" \t\n\r");
        return true;
    }
    bool word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }
    bool number() {
        take("-");
        if (!take("0") && !many("0123456789")) return false;
        if (take(".") && !many("0123456789")) return false;
        if (!take("eE")) return true;
        take("+-");
        return many("0123456789");
    }
    bool string() {
        if (!take("\"")) return false;
        while (at_ < text_.size()) {
            if (take("\"")) return true;
            if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
            if (!take("\\")) {
                ++at_;
            } else if (take("u")) {
                for (int i = 0; i < 4; ++i)
                    if (!take("0123456789abcdefABCDEF")) return false;
            } else if (!take("\"\\/bfnrt")) {
                return false;
            }
        }
        return false;
    }
    bool list(std::string_view end, size_t depth, bool named) {
        ++at_;
        space();
        if (take(end)) return true;
        do {
            if (named && !(space() && string() && space() && take(":"))) return false;
            if (!value(depth + 1)) return false;
            space();
        } while (take(","));
        return take(end);
    }
    bool value(size_t depth) {
        space();
        if (depth > 2000) return false;  // more than we take
        if (next_is("{")) return list("}", depth, true);
        if (next_is("[")) return list("]", depth, false);
        if (next_is("\"")) return string();
        return word("true") || word("false") || word("null") || number();
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace wayleave::test
