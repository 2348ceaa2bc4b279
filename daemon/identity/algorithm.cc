#include "daemon/identity/algorithm.h"

#include <array>
#include <utility>

namespace wayleave {

namespace {

constexpr std::array<std::pair<Algorithm, std::string_view>, 4> names = {{
    {Algorithm::HS256, "HS256"},
    {Algorithm::RS256, "RS256"},
    {Algorithm::ES256, "ES256"},
    {Algorithm::EdDSA, "EdDSA"},
}};

}  // namespace

std::string_view to_string(Algorithm algorithm) {
    for (const auto& [value, name] : names) {
        if (value == algorithm) return name;
    }
    return "unknown";
}

std::optional<Algorithm> algorithm_from(std::string_view name) {
    for (const auto& [value, known] : names) {
        if (known == name) return value;
    }
    return std::nullopt;
}

}  // namespace wayleave
