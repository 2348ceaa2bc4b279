// Policies and inputs out of dice: the compiled program, what folding leaves of it and the slow interpreter
// agree, and formatting changes nothing.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>

#include "dsl/compile/compile.h"
#include "dsl/format/format.h"
#include "dsl/syntax/load.h"
#include "tests/support/differential.h"
#include "tests/support/policy_generator.h"

using namespace wayleave;
using namespace wayleave::tests;

namespace {

constexpr size_t inputs_of_a_policy = 50;

// WAYLEAVE_PAIRS and WAYLEAVE_SEED choose another amount, and other dice.
uint64_t number(const char* variable, uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// White space and comments where a blank was, by chance. Strings stay.
std::string scattered(const std::string& text, Choices& choices) {
    std::string out;
    bool quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"' && !(quoted && text[i - 1] == '\\' && text[i - 2] != '\\')) quoted = !quoted;
        if (quoted || (c != ' ' && c != '\n') || choices.chance(60)) {
            out += c;
            continue;
        }
        switch (choices.below(5)) {
            case 0: out += "   "; break;
            case 1: out += '\n'; break;
            case 2: out += "\n\n\n"; break;
            case 3: out += " # a remark \n"; break;
            default: out += "\n\t# a remark\r\n\r\n"; break;
        }
    }
    return out;
}

std::optional<std::string> formatted(const std::string& text) {
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    dsl::load_text("p.route", text, sources, diagnostics);
    auto made = dsl::format(sources, 0, diagnostics);
    if (!made && made.error() == dsl::FormatFault::mistakes) return std::nullopt;
    REQUIRE(made);
    return std::move(*made);
}

// Of the policy that these files are, in this order.
uint64_t policy_hash(const std::vector<std::string>& files) {
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    for (size_t i = 0; i < files.size(); ++i)
        dsl::load_text("p" + std::to_string(i) + ".route", files[i], sources, diagnostics);
    const auto list = [](const std::string&) { return Result<std::string>(std::string(generated_list)); };
    const auto policy = dsl::compile(sources, list, diagnostics);
    INFO(dsl::render(diagnostics, sources, false));
    REQUIRE(policy);
    return policy->hash;
}

}  // namespace

TEST_CASE("generated policies decide as the slow interpreter does") {
    const uint64_t seed = number("WAYLEAVE_SEED", 1);
    const size_t pairs = number("WAYLEAVE_PAIRS", GENERATED_PAIRS);
    std::cout << "generated policies: seed " << seed << ", " << pairs << " pairs of policy and input\n";
    Differential sum;
    for (uint64_t policy = 0; sum.inputs < pairs; ++policy) {
        Choices choices(seed * 1'000'000 + policy);
        const Differential one = decide_generated(choices, inputs_of_a_policy);
        INFO("WAYLEAVE_SEED=" << seed << ", policy " << policy << "\n" << one.failure);
        REQUIRE(one.failure.empty());
        sum.inputs += one.inputs, sum.allowed += one.allowed, sum.denied += one.denied,
            sum.unnamed += one.unnamed, sum.switches += one.switches;
    }
    // They would agree about nothing, too.
    const size_t all = sum.allowed + sum.denied + sum.unnamed;
    INFO(sum.allowed << " allowed, " << sum.denied << " denied, " << sum.unnamed << " not named, of " << all);
    CHECK(sum.allowed > all / 10);
    CHECK(sum.denied > all / 10);
    CHECK(sum.unnamed > all / 10);
    CHECK(sum.switches > pairs / 100);  // one for two policies
}

TEST_CASE("the same choices give the same policy") {
    Choices a(7);
    Choices b(7);
    Choices c(8);
    const auto files = PolicyGenerator(a).files();
    CHECK(files == PolicyGenerator(b).files());
    CHECK(files != PolicyGenerator(c).files());
}

TEST_CASE("formatting a generated policy changes nothing but white space, and is done then") {
    const uint64_t seed = number("WAYLEAVE_SEED", 1);
    const size_t policies = number("WAYLEAVE_PAIRS", GENERATED_PAIRS) / 100;
    size_t broken = 0;
    size_t files = 0;
    for (uint64_t policy = 0; policy < policies; ++policy) {
        Choices choices(seed * 1'000'000 + policy);
        for (const std::string& plain : PolicyGenerator(choices).files()) {
            for (const std::string& text : {plain, scattered(plain, choices)}) {
                INFO("WAYLEAVE_SEED=" << seed << ", policy " << policy << "\n" << text);
                const auto once = formatted(text);
                ++files;
                if (&text != &plain && !once) {
                    ++broken;  // a name at the start of a line may be taken for a statement
                    continue;
                }
                REQUIRE(once);
                REQUIRE(dsl::same_but_for_space(text, *once));
                REQUIRE(formatted(*once) == once);
                REQUIRE(once->find(" \n") == std::string::npos);
                REQUIRE(once->find("\n\n\n") == std::string::npos);
            }
        }
    }
    CHECK(broken < files / 20);
}

TEST_CASE("the hash of a generated policy does not see its layout nor the order of its files") {
    const uint64_t seed = number("WAYLEAVE_SEED", 1);
    const size_t policies = number("WAYLEAVE_PAIRS", GENERATED_PAIRS) / 200;
    std::set<uint64_t> seen;
    for (uint64_t policy = 0; policy < policies; ++policy) {
        Choices choices(seed * 1'000'000 + policy);
        std::vector<std::string> files = PolicyGenerator(choices).files();
        INFO("WAYLEAVE_SEED=" << seed << ", policy " << policy);
        const uint64_t hash = policy_hash(files);
        seen.insert(hash);
        for (std::string& text : files) text = *formatted(text);
        REQUIRE(policy_hash(files) == hash);
        std::reverse(files.begin(), files.end());
        REQUIRE(policy_hash(files) == hash);
    }
    CHECK(seen.size() == policies);
}
