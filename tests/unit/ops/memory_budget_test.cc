#include "daemon/ops/memory_budget.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("the budget's states, on the way up and on the way down", "[memory]") {
    MemoryBudget budget;
    CHECK(budget.update(1 << 30) == MemoryState::ample);  // there is no budget
    budget.set_budget(1000);
    using enum MemoryState;
    const std::pair<size_t, MemoryState> way[] = {
        {0, ample},      {899, ample},     {900, refusing}, {850, refusing}, {949, refusing},
        {950, shedding}, {5000, shedding}, {949, refusing}, {800, refusing}, {799, ample},
        {890, ample},    {960, shedding},  {700, ample}};
    for (const auto& [used, state] : way) {
        INFO(used);
        CHECK(budget.update(used) == state);
        CHECK(budget.used() == used);
    }
    (void)budget.update(990);
    budget.set_budget(0);
    CHECK(budget.update(990) == ample);
}

TEST_CASE("the kernel says what this process takes", "[memory]") {
    CHECK(resident_bytes() > 1 << 20);
    CHECK(resident_bytes() < size_t{1} << 40);
    (void)cgroup_memory_max();
}
