// The attributes that every policy knows by name: of the connection, the channel and the message.
#pragma once

#include <string_view>
#include <vector>

#include "dsl/policy/program.h"

namespace wayleave::dsl {

// An attribute, or a value that the address, the token or the message declares.
struct Symbol {
    Operand operand;
    Type type;
    Stage stage = Stage::arrival;
};

// The built-in attribute of that name, or null.
[[nodiscard]] const Symbol* builtin(std::string_view name);
[[nodiscard]] std::vector<std::string_view> builtin_names();

}  // namespace wayleave::dsl
