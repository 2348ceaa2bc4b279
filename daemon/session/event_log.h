// Gathers the events of a worker for its turn, so that a client cannot fill the disk: of the same thing and
// the same source the first lines are told at once, and how many more there were when ten seconds are over.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/event.h"
#include "daemon/base/now.h"
#include "daemon/base/string_map.h"
#include "daemon/decision/counters.h"

namespace wayleave {

class EventLog {
  public:
    // `out` is emptied by who writes the lines; `lost` counts those for which a turn has no room.
    EventLog(std::vector<Event>& out, Counter& lost) : out_(out), lost_(lost) {}

    // The same thing is of one name, source and cause; `lines` of them are told one by one. A source, a user
    // or a network, has a share of all lines, so that its noise does not hide what is said of others.
    // `finish` adds to one that is told at once what is too dear for those that are only counted.
    using Finish = absl::FunctionRef<void(Event&)>;
    void tell(Event event, std::string_view source, std::string_view cause, Now now, uint64_t lines = 1) {
        tell(std::move(event), source, cause, now, lines, [](Event&) {});
    }
    void tell(Event event, std::string_view source, std::string_view cause, Now now, uint64_t lines,
              Finish finish);
    // For what happens with every connection: `make` is asked for an event that is told, and for one of those
    // that are only counted.
    using Make = absl::FunctionRef<Event()>;
    void tell_of(std::string_view name, std::string_view source, std::string_view cause, Now now,
                 uint64_t lines, Make make);
    // Tells how many more there were, whether or not it happens once more.
    void tick(Now now);
    // Memory is short. What was not told yet is lost.
    void forget();

  private:
    struct Repeated {
        int64_t since_ms = 0;
        uint64_t told = 0;
        uint64_t untold = 0;
        Event first_untold;

        void keep(Event event, Now now);
    };
    struct Share {
        int64_t since_ms = 0;
        uint64_t told = 0;
    };

    [[nodiscard]] Repeated& known(std::string_view name, std::string_view source, std::string_view cause,
                                  Now now);
    // Whether it is told by itself.
    [[nodiscard]] bool is_told(Repeated& same, std::string_view source, uint64_t lines, Now now);
    [[nodiscard]] bool within_share(std::string_view source, Now now);
    void put(Event event);
    void tell_of_more(Now now, bool all);

    std::vector<Event>& out_;
    Counter& lost_;
    StringMap<Repeated> repeated_;  // bounded
    StringMap<Share> shares_;       // likewise
    int64_t tick_at_ms_ = 0;
};

}  // namespace wayleave
