// From what the grammar recognised to the tree of ast.h. No PEGTL.
#pragma once

#include "dsl/syntax/ast.h"
#include "dsl/syntax/syntax_tree.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// Appends the items of one file. Literals and escapes that say nothing sensible become diagnostics here.
void build_ast(const SyntaxTree& tree, const SourceFile& source, uint32_t file, Diagnostics& diagnostics,
               ast::File& out);

}  // namespace wayleave::dsl
