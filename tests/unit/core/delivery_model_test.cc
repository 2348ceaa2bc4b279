// See delivery_schedule.h.
#include <filesystem>

#include "daemon/broker/sqlite/broker.h"
#include "tests/unit/core/delivery_schedule.h"

using namespace wayleave;
using namespace wayleave::test;

TEST_CASE("random schedules: each message once and in order, or word of the gap", "[delivery][model]") {
    const uint64_t seed = from_environment("WAYLEAVE_SEED", 1);
    const uint64_t schedules = from_environment("WAYLEAVE_SCHEDULES", 200);
    WARN(schedules << " schedules from seed " << seed << " on");
    for (uint64_t i = 0; i < schedules; ++i) {
        INFO("WAYLEAVE_SEED=" << seed + i);
        Schedule schedule(
            seed + i, [] { return std::make_unique<MemoryBroker>(); }, 1500);
        schedule.run();
    }
}

TEST_CASE("random schedules over a database that outlives the daemon", "[delivery][model]") {
    const uint64_t seed = from_environment("WAYLEAVE_SEED", 1);
    const uint64_t schedules = from_environment("WAYLEAVE_SCHEDULES", 200) / 20;
    for (uint64_t i = 0; i < schedules; ++i) {
        INFO("WAYLEAVE_SEED=" << seed + i);
        std::string directory = "/tmp/wayleave-model-XXXXXX";
        REQUIRE(::mkdtemp(directory.data()) != nullptr);
        SqliteSettings settings;
        settings.path = directory + "/messages.db";
        settings.full = false;
        settings.memory_bytes = 4096;  // so that pages come from the disk
        Schedule schedule(
            seed + i,
            [&]() -> std::unique_ptr<Broker> {
                auto opened = SqliteBroker::open(settings, [](bool, const std::string&) {},
                                                 {1'000'000, 1'700'000'000'000});
                REQUIRE(opened);
                return std::move(*opened);
            },
            1000);
        schedule.run();
        std::filesystem::remove_all(directory);
    }
}
