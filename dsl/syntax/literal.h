// What a literal's text means: numbers with units, dates, addresses, and the escapes of strings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dsl/policy/value.h"
#include "dsl/syntax/syntax_tree.h"
#include "dsl/text/result.h"

namespace wayleave::dsl {

// Why a text that looks like a literal says nothing; the place counts from the start of the literal.
struct LiteralFault {
    std::string message;
    std::string help;
    size_t at = 0;
    size_t length = 0;  // 0: the whole literal
    std::string_view id = "E001";
};

// With a fault there is still a value of the right type, so that checking can go on.
struct LiteralReading {
    Value value;
    Type type;
    std::optional<LiteralFault> fault;
};

// `kind` is one of the tokens of the grammar, which has checked the characters.
[[nodiscard]] LiteralReading read_literal(NodeKind kind, std::string_view text);

// The content of a string; `text` has its quotes.
[[nodiscard]] Result<std::string, LiteralFault> unescape(std::string_view text);

}  // namespace wayleave::dsl
