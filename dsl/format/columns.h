// Adjacent lines of a formatted policy: their `=`, their `:` and their comments stand below each other.
#pragma once

#include <vector>

#include "dsl/format/layout.h"

namespace wayleave::dsl {

void align_signs(FormatTokens& tokens, const std::vector<AlignedStatement>& statements);
void align_comments(FormatTokens& tokens);

}  // namespace wayleave::dsl
