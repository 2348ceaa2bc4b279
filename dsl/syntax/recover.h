// Reads a policy without its grammar: tokens, lines and braces, so that parsing can go on behind a mistake.
// Newlines and indentation matter here and only here; what a correct policy means never depends on them.
#pragma once

#include <cstddef>
#include <string_view>

#include "dsl/syntax/words.h"

namespace wayleave::dsl {

[[nodiscard]] size_t blank_end(std::string_view text, size_t at);  // behind blanks, newlines and comments
[[nodiscard]] size_t token_end(std::string_view text,
                               size_t at);  // behind a word, a number, a string or one character
[[nodiscard]] std::string_view word_at(std::string_view text, size_t at);  // letters, digits, `_` and `-`

[[nodiscard]] bool first_on_line(std::string_view text, size_t at);
[[nodiscard]] size_t indentation(std::string_view text, size_t at);  // of the line that holds `at`

// The end of the last token in [from, at); `from` if there is none.
[[nodiscard]] size_t previous_token_end(std::string_view text, size_t from, size_t at);

[[nodiscard]] bool begins_setting(std::string_view text, size_t at);  // NAME =
[[nodiscard]] bool begins_item(std::string_view text, size_t at);     // `route …` in the first column
[[nodiscard]] bool begins_statement(std::string_view text, size_t at,
                                    Words words);  // a setting, or one of `words`

// Where the statement after the broken one at `start` begins, or the `}` of the block: always behind `start`.
[[nodiscard]] size_t next_statement(std::string_view text, size_t start, Words words);
[[nodiscard]] size_t next_item(std::string_view text, size_t start);

// The `{` that ends the line of `from` and so opens a block, or npos.
[[nodiscard]] size_t block_brace(std::string_view text, size_t from);

}  // namespace wayleave::dsl
