// From what the grammar recognised to the tree of ast.h. No PEGTL.
#pragma once

#include "dsl/ast.h"
#include "dsl/diagnostic.h"
#include "dsl/source.h"
#include "dsl/syntax_tree.h"

namespace wayleave::dsl {

// Appends the items of one file. Literals and escapes that say nothing sensible become diagnostics here.
void build_ast(const SyntaxTree& tree, const SourceFile& source, uint32_t file, Diagnostics& diagnostics,
               ast::File& out);

}  // namespace wayleave::dsl
