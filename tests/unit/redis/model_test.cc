// The model of what each client can know, over nodes that share a Redis.
#include "tests/unit/core/delivery_schedule.h"
#include "tests/unit/redis/redis_fixture.h"

using namespace wayleave;
using namespace wayleave::test;

TEST_CASE("random schedules over three nodes, between which clients roam", "[redis][model]") {
    NEEDS_REDIS();
    const uint64_t seed = from_environment("WAYLEAVE_SEED", 1);
    const uint64_t schedules = from_environment("WAYLEAVE_SCHEDULES", 200) / 20;
    for (uint64_t i = 0; i < schedules; ++i) {
        INFO("WAYLEAVE_SEED=" << seed + i);
        RedisServer server;
        RedisSettings settings = settings_for(server.port());
        settings.memory_bytes = i % 2 == 0 ? 4096 : size_t{1} << 20U;
        Schedule schedule(
            seed + i,
            [&]() -> std::unique_ptr<Broker> {
                auto opened = RedisBroker::open(
                    settings, [](RedisNews, const std::string&) {}, read_clocks());
                REQUIRE(opened);
                return std::move(*opened);
            },
            2000, 3,
            [&](size_t which) {
                if (which % 2 == 0) {
                    (void)server.ask({"SCRIPT", "FLUSH"});
                } else {
                    (void)server.ask({"DEBUG", "SLEEP", "0.02"});
                }
            });
        schedule.run();
    }
}
