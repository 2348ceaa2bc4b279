// Who comes by an alias.
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;

TEST_CASE("aliases are counted while somebody may need them") {
    const std::string with = "route r /new { auth = none  origins = none  allow connect  alias /old }";
    World world(with);
    const auto told = [&](const std::string& alias) {
        const auto counts = world.counters.aliases.read();
        const auto it = counts.find(alias);
        return it == counts.end() ? std::pair<uint64_t, uint64_t>()
                                  : std::pair(it->second.handshakes, it->second.sessions);
    };
    const auto reload = [&](const std::string& text) {
        auto next = std::make_shared<Runtime>(*world.runtime);
        next->policy = policy_from(text);
        ++next->generation;
        world.gateway->replace(next, world.now);
        world.later(100);
    };
    const ConnectionId first = world.connect("/old");
    const ConnectionId second = world.connect("/old");
    world.gone(world.connect("/new"));
    CHECK(told("/old") == std::pair<uint64_t, uint64_t>(2, 2));
    world.gone(first);
    CHECK(told("/old") == std::pair<uint64_t, uint64_t>(2, 1));
    // One that is gone from the policy is forgotten with the last who came by it.
    const std::string without =
        "route r /new { auth = none  origins = none  allow connect  on_policy_change = keep }";
    reload(without);
    CHECK(told("/old") == std::pair<uint64_t, uint64_t>(2, 1));
    world.gone(second);
    CHECK(told("/old") == std::pair<uint64_t, uint64_t>(2, 0));
    reload(without);
    CHECK(world.counters.aliases.read().empty());
    reload(with);
    world.gone(world.connect("/old"));
    reload(with + " # the same");
    CHECK(told("/old") == std::pair<uint64_t, uint64_t>(1, 0));
}
