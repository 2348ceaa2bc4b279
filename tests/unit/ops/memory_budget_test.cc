#include "daemon/ops/server/memory_budget.h"

#include "daemon/ops/settings/memory_limit.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

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
    (void)own_memory_limit();
}

TEST_CASE("the least of the control groups' bounds counts, whichever it is", "[memory]") {
    std::string root = "/tmp/wayleave-cgroup-XXXXXX";
    REQUIRE(mkdtemp(root.data()) != nullptr);
    std::filesystem::create_directories(root + "/system.slice/wayleave.service");
    const auto write = [&](const std::string& file, const std::string& text) {
        std::ofstream(root + file) << text << "\n";
    };
    const auto limit = [&] { return cgroup_memory_limit(root, "/system.slice/wayleave.service"); };
    CHECK(limit() == 0);
    write("/system.slice/wayleave.service/memory.max", "max");
    write("/system.slice/wayleave.service/memory.high", "max");
    CHECK(limit() == 0);
    write("/system.slice/wayleave.service/memory.high", "3000");  // MemoryHigh=, as our unit has it
    CHECK(limit() == 3000);
    write("/system.slice/wayleave.service/memory.max", "4000");
    CHECK(limit() == 3000);
    write("/system.slice/memory.max", "2000");
    CHECK(limit() == 2000);
    write("/memory.high", "1000");  // where the whole is a container's
    CHECK(limit() == 1000);
    std::filesystem::remove_all(root);
}
