// A policy's text as the formatter sees it: tokens and comments, and where each is to stand. Layout and
// columns only ever change the white space between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/syntax/syntax_tree.h"

namespace wayleave::dsl {

struct FormatToken {
    std::string_view text;  // a comment without the blanks behind it
    uint32_t begin = 0;     // in the source
    uint32_t breaks = 0;    // newlines in the source between the token before and this one
    bool comment = false;
    bool first = false;  // on its line in the source

    // Where it goes: so many newlines and then the indentation, or so many spaces.
    size_t newlines = 0;
    size_t indent = 0;
    size_t spaces = 1;

    // A comment that stands behind a token on the same line.
    [[nodiscard]] bool trailing() const { return comment && !first; }
};

// From the first to the last, the last not included.
struct TokenRange {
    size_t first = 0;
    size_t last = 0;
};

class FormatTokens {
  public:
    // The tree is that of the text, which has no mistakes.
    FormatTokens(std::string_view text, const SyntaxTree& tree);

    [[nodiscard]] size_t size() const { return tokens_.size(); }
    FormatToken& operator[](size_t index) { return tokens_[index]; }
    const FormatToken& operator[](size_t index) const { return tokens_[index]; }

    [[nodiscard]] TokenRange of(const SyntaxNode& node) const;
    // The first token of that text in the range, or its end.
    [[nodiscard]] size_t find(std::string_view text, TokenRange range) const;
    [[nodiscard]] bool comments_in(TokenRange range) const;

    // The text with the white space that was chosen.
    [[nodiscard]] std::string print() const;

  private:
    void add_between(size_t begin, size_t end);
    void add(size_t begin, size_t end, bool comment);

    std::string_view text_;
    std::vector<FormatToken> tokens_;
};

// Nodes that are one token, whatever is in them: no blank may stand there.
[[nodiscard]] bool is_token(NodeKind kind);

// How wide it is shown: code points.
[[nodiscard]] size_t width(std::string_view text);

}  // namespace wayleave::dsl
