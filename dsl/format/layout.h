// Where the lines of a formatted policy begin: one statement a line, blocks indented, what is too long
// broken.
#pragma once

#include <cstddef>
#include <vector>

#include "dsl/format/tokens.h"

namespace wayleave::dsl {

constexpr size_t format_width = 110;

// A statement whose `=` or `:` may stand below that of its neighbours.
struct AlignedStatement {
    NodeKind kind = NodeKind::none;
    TokenRange tokens;
    size_t sign = 0;
};

class FormatLayout {
  public:
    FormatLayout(FormatTokens& tokens, const SyntaxTree& tree);

    void run();
    [[nodiscard]] const std::vector<AlignedStatement>& aligned() const { return aligned_; }

  private:
    using Nodes = std::vector<const SyntaxNode*>;

    [[nodiscard]] Nodes children(const SyntaxNode& node) const;

    // Before anything is placed: the spaces that depend on the syntax.
    void space(const SyntaxNode& node);
    [[nodiscard]] bool one_line(TokenRange braces, const Nodes& members) const;

    // Placing tokens, in their order. `indent` is that of a line which begins there.
    void place(size_t indent);
    void place_until(size_t token, size_t indent);
    void begin_line(size_t indent);
    void place_comments(size_t token, size_t indent);
    [[nodiscard]] bool fits(TokenRange range, size_t indent) const;

    void statements(const Nodes& nodes, size_t end, size_t indent);
    void statement(const SyntaxNode& node, size_t indent);
    [[nodiscard]] size_t block_of(const SyntaxNode& node) const;
    void block(const SyntaxNode& node, TokenRange braces, size_t indent);
    void walk(const SyntaxNode& node, size_t indent);
    void child(const SyntaxNode& node, size_t indent, bool& broken);
    void expression(const SyntaxNode& node, size_t indent);
    void braces(const SyntaxNode& node, size_t indent);
    void object(const SyntaxNode& node, size_t indent);
    void enter(const SyntaxNode& node, size_t indent);

    FormatTokens& tokens_;
    const SyntaxTree& tree_;
    std::vector<size_t> ends_;      // of each token, if all stood in one line
    std::vector<size_t> comments_;  // how many stand before each token
    std::vector<AlignedStatement> aligned_;
    size_t next_ = 0;         // the first token that is not placed
    size_t column_ = 0;       // behind the last one that is
    size_t line_indent_ = 0;  // of its line
    size_t line_ = 0;
    bool break_ = false;  // the next token begins a line
};

}  // namespace wayleave::dsl
