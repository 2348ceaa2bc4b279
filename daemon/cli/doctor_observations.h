// What `wayleave doctor` finds: one line about one thing, with a remedy where it is not well.
#pragma once

#include <string>
#include <vector>

#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/settings/settings.h"

namespace wayleave {

struct Observation {
    enum class State : uint8_t {
        well,
        unknown,  // it cannot be found out here, or not now
        doubt,    // it works, and may not for long or not for all
        bad,      // it does not work
    };
    State state = State::well;
    std::string about;   // a word or two: "open files"
    std::string text;    // what was found
    std::string remedy;  // empty: nothing is to be done
};
using Observations = std::vector<Observation>;

[[nodiscard]] std::string_view to_string(Observation::State state);

// Of the machine: limits, kernel settings, clock.
[[nodiscard]] Observations look_at_machine(const Settings& settings);
// Of the policy: mistakes, certificates, keys.
[[nodiscard]] Observations look_at_policy(const Settings& settings, const LoadedRuntime& loaded);
// Whom it needs: backends, key servers, the broker. Waits for each, a few seconds.
[[nodiscard]] Observations look_at_neighbours(const Settings& settings, const LoadedRuntime& loaded);
// The daemon that runs, if it does: readiness, reloads, room, proxies.
[[nodiscard]] Observations look_at_daemon(const Settings& settings);

}  // namespace wayleave
