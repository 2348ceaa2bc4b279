// A mistake against the grammar, from the place where it was noticed to the words for the user. No PEGTL.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// What the grammar has to say where it cannot go on; one constant for each such place.
struct Complaint {
    // What is looked at more closely, because people get it wrong in known ways.
    enum class Topic : uint8_t { token, name, address, channel, expression, mixture, statement, item };

    bool refused = false;  // `text` is the whole message; else it completes "expected …, found …"
    std::string_view text;
    std::string_view help;
    std::span<const std::string_view> words;  // that could stand here: "did you mean"
    Topic topic = Topic::token;
};

// Thrown inside the parser alone, caught by the statement around it.
struct SyntaxError {
    uint32_t offset = 0;
    uint32_t context = 0;  // where the innermost construct that was begun starts
    const Complaint* complaint = nullptr;
};

// `statement` is where the statement with the mistake starts.
[[nodiscard]] Diagnostic explain(const SyntaxError& error, const SourceFile& source, uint32_t file,
                                 uint32_t statement);

}  // namespace wayleave::dsl
