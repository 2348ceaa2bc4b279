// The statements of a policy by their places: which one a place is in, and which one follows a comment.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/syntax/ast.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

struct Statement {
    Span span;
    std::string_view owner;  // the name of the route, token, … that it is or is in; empty: it has none
    bool block = false;      // with members of its own in braces
    size_t parent = npos;    // in Statements

    static constexpr size_t npos = static_cast<size_t>(-1);
};

class Statements {
  public:
    explicit Statements(const ast::File& file);

    // The innermost that holds the place, or null.
    [[nodiscard]] const Statement* at(Span span) const;

    // That one and all around it, the innermost first.
    [[nodiscard]] std::vector<const Statement*> around(Span span) const;

    // The first that begins behind `place`, in the same block; null if the block ends before. The widest,
    // where several begin there.
    [[nodiscard]] const Statement* after(Span place) const;

  private:
    [[nodiscard]] size_t index_at(Span span) const;

    std::vector<Statement> all_;  // by file and begin, the outer before the inner
};

// The statement as far as it says what it is: without comments, with single blanks, and of a block only what
// stands before its `{`.
[[nodiscard]] std::string normalised(const Sources& sources, const Statement& statement);

// FNV-1a of the id, the owner and the normalised statement: stays the same where lines move. Where there is
// no statement (a syntax error), the line stands for it.
[[nodiscard]] uint64_t fingerprint(std::string_view id, Span span, const Sources& sources,
                                   const Statements& statements);

}  // namespace wayleave::dsl
