// What a policy means, as lines: independent of the order of statements and files, of layout, of comments and
// of the names of `let`. The hash that tells whether a reload changes anything comes from here, and so does
// diff.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dsl/policy/policy.h"

namespace wayleave::dsl {

struct Meaning {
    std::string text;   // "deny connect if user.banned because \"…\""
    std::string place;  // of the statement, where it has one; not part of the meaning

    friend bool operator==(const Meaning& a, const Meaning& b) { return a.text == b.text; }
    friend auto operator<=>(const Meaning& a, const Meaning& b) { return a.text <=> b.text; }
};

// A block of the policy: "route chat", "token session", "backend app", "channel user/*".
struct Section {
    std::string name;
    std::vector<Meaning> lines;  // sorted, each once
    std::string place;
};

[[nodiscard]] std::vector<Section> sections(const Policy& policy);  // sorted by name
[[nodiscard]] uint64_t hash_of(const Section& section);

// Fills Policy::hash and every Route::hash. A route's hash covers the tokens that it names.
void fill_hashes(Policy& policy);

[[nodiscard]] std::string hash_text(uint64_t hash);  // 16 hexadecimal digits

}  // namespace wayleave::dsl
