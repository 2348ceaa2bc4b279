#include "dsl/text/near_name.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace wayleave {

namespace {

constexpr size_t longest = 64;  // nobody mistypes a longer name recognisably, and the cost is quadratic

using Row = std::array<size_t, longest + 1>;

// Optimal string alignment; both texts are at most `longest` bytes.
size_t distance(std::string_view a, std::string_view b) {
    Row before_last{};
    Row last{};
    Row row{};
    for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    return last[b.size()];
}

}  // namespace

std::string_view near_name(std::string_view given, std::span<const std::string_view> known) {
    std::string_view best;
    size_t best_distance = longest;
    if (given.empty() || given.size() > longest) return best;
    for (const auto name : known) {
        if (name.empty() || name.size() > longest) continue;
        // Each character that one has more is a step.
        const size_t at_least = std::max(given.size(), name.size()) - std::min(given.size(), name.size());
        if (at_least * 3 > std::max(given.size(), name.size())) continue;
        const size_t steps = distance(given, name);
        if (steps * 3 <= std::max(given.size(), name.size()) && steps < best_distance) {
            best = name;
            best_distance = steps;
        }
    }
    return best;
}

}  // namespace wayleave
