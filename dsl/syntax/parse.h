// Text to tree. The only part of the project that sees PEGTL is parse.cc.
#pragma once

#include "dsl/syntax/ast.h"
#include "dsl/syntax/syntax_tree.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// Parses every file of `sources`. Mistakes become diagnostics (E001), several in one pass: after one, parsing
// goes on at the next statement. What could not be parsed is missing from the tree, so a policy with any
// error must not be used. Nesting is bounded (64), whatever the input. Pure; views in the result point into
// `sources`.
[[nodiscard]] ast::File parse(const Sources& sources, Diagnostics& diagnostics);

// What the grammar recognised in one file, for who changes its text; its mistakes are the same.
[[nodiscard]] SyntaxTree parse_syntax(const Sources& sources, uint32_t file, Diagnostics& diagnostics);

}  // namespace wayleave::dsl
