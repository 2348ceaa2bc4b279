#include "dsl/lint/exact/bdd.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <vector>

using namespace wayleave::dsl;

namespace {

// A function of four variables, as a diagram and as the table of its 16 values.
struct Both {
    Bdd::Id diagram;
    uint32_t table;
};

constexpr uint32_t variables = 4;
constexpr uint32_t all = 0xFFFF;

bool value_at(uint32_t assignment, uint32_t variable) {
    return ((assignment >> variable) & 1U) != 0;
}

uint32_t table_of_variable(uint32_t variable) {
    uint32_t table = 0;
    for (uint32_t a = 0; a < 16; ++a) table |= (value_at(a, variable) ? 1U : 0U) << a;
    return table;
}

uint32_t restricted_table(uint32_t table, uint32_t variable, bool value) {
    uint32_t out = 0;
    for (uint32_t a = 0; a < 16; ++a) {
        const uint32_t fixed = value ? a | (1U << variable) : a & ~(1U << variable);
        out |= ((table >> fixed) & 1U) << a;
    }
    return out;
}

}  // namespace

TEST_CASE("constants and variables", "[bdd]") {
    Bdd bdd;
    const auto a = bdd.variable(0);
    CHECK(a == bdd.variable(0));
    CHECK(a != bdd.variable(1));
    CHECK(bdd.both(a, bdd.negation(a)) == Bdd::no);
    CHECK(bdd.either(a, bdd.negation(a)) == Bdd::yes);
    CHECK(bdd.negation(bdd.negation(a)) == a);
    CHECK(bdd.negation(Bdd::yes) == Bdd::no);
    CHECK(bdd.both(a, a) == a);
    CHECK(bdd.choose(a, Bdd::yes, Bdd::no) == a);
    CHECK_FALSE(bdd.gave_up());
}

TEST_CASE("what covers what", "[bdd]") {
    Bdd bdd;
    const auto a = bdd.variable(0), b = bdd.variable(1), c = bdd.variable(2);
    CHECK(bdd.implies(bdd.both(a, b), a));
    CHECK_FALSE(bdd.implies(a, bdd.both(a, b)));
    CHECK(bdd.implies(a, bdd.either(a, b)));
    CHECK(bdd.implies(Bdd::no, a));
    // Neither alone covers it, both together do.
    const auto ab = bdd.both(a, b), a_not_b = bdd.both(a, bdd.negation(b));
    CHECK(bdd.implies(bdd.both(a, c), bdd.either(ab, a_not_b)));
    // The laws of de Morgan and distribution, in whatever order they are built.
    CHECK(bdd.negation(bdd.both(a, b)) == bdd.either(bdd.negation(b), bdd.negation(a)));
    CHECK(bdd.both(c, bdd.either(a, b)) == bdd.either(bdd.both(b, c), bdd.both(a, c)));
}

TEST_CASE("random functions agree with their tables", "[bdd]") {
    std::mt19937 random(1);
    Bdd bdd(100'000);
    std::vector<Both> known{{Bdd::no, 0}, {Bdd::yes, all}};
    for (uint32_t v = 0; v < variables; ++v) known.push_back({bdd.variable(v), table_of_variable(v)});
    for (int i = 0; i < 2000; ++i) {
        const Both x = known[random() % known.size()], y = known[random() % known.size()],
                   z = known[random() % known.size()];
        const auto v = static_cast<uint32_t>(random() % variables);
        const bool value = random() % 2 == 0;
        switch (random() % 5) {
            case 0: known.push_back({bdd.both(x.diagram, y.diagram), x.table & y.table}); break;
            case 1: known.push_back({bdd.either(x.diagram, y.diagram), x.table | y.table}); break;
            case 2: known.push_back({bdd.negation(x.diagram), ~x.table & all}); break;
            case 3:
                known.push_back({bdd.choose(x.diagram, y.diagram, z.diagram),
                                 (x.table & y.table) | (~x.table & z.table & all)});
                break;
            default:
                known.push_back({bdd.restricted(x.diagram, v, value), restricted_table(x.table, v, value)});
        }
    }
    REQUIRE_FALSE(bdd.gave_up());
    std::map<uint32_t, Bdd::Id> by_table;
    std::map<Bdd::Id, uint32_t> by_diagram;
    for (const Both& one : known) {
        CHECK(by_table.emplace(one.table, one.diagram).first->second == one.diagram);
        CHECK(by_diagram.emplace(one.diagram, one.table).first->second == one.table);
        const auto example = bdd.example(one.diagram);
        REQUIRE(example.has_value() == (one.table != 0));
        for (uint32_t a = 0; example && a < 16; ++a) {
            const bool fits = std::all_of(example->begin(), example->end(), [&](const Bdd::Choice& choice) {
                return value_at(a, choice.variable) == choice.value;
            });
            if (fits) CHECK(((one.table >> a) & 1U) == 1U);
        }
    }
    CHECK(by_table.size() > 100);
}

TEST_CASE("it gives up where the order is hopeless, and stays so", "[bdd]") {
    // (x0 and x20) or (x1 and x21) or …: exponential in this order.
    Bdd bdd(4096);
    auto sum = Bdd::no;
    for (uint32_t i = 0; i < 20; ++i) sum = bdd.either(sum, bdd.both(bdd.variable(i), bdd.variable(20 + i)));
    CHECK(bdd.gave_up());
    CHECK(bdd.nodes() <= 4096);
    (void)bdd.both(bdd.variable(0), bdd.variable(1));
    CHECK(bdd.gave_up());
    // In another it is small.
    Bdd other(4096);
    sum = Bdd::no;
    for (uint32_t i = 0; i < 20; ++i)
        sum = other.either(sum, other.both(other.variable(2 * i), other.variable(2 * i + 1)));
    CHECK_FALSE(other.gave_up());
    CHECK(other.example(sum)->size() < 41);
}
