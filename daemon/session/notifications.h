// Tells the user's own servers who comes and goes, where a route has `notify`. One thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "daemon/message/notices.h"
#include "daemon/session/bindings.h"
#include "daemon/session/connection_log.h"
#include "daemon/session/session.h"

namespace wayleave {

class Notifications {
  public:
    // `name` is of this worker in this run of the daemon: an id of a notice is never another's. Without
    // `notices` nobody is told.
    Notifications(std::string name, uint32_t worker, Notices* notices, const Bindings& bindings,
                  ConnectionLog& log, std::mt19937_64& random)
        : name_(std::move(name)),
          worker_(worker),
          notices_(notices),
          bindings_(bindings),
          log_(log),
          random_(random) {}

    void connected(Session& session, Now now);
    // A reload has brought another route: its end may be told of from now on.
    void rebound(Session& session, Now now);
    void disconnected(Session& session, Now now);
    // Not of `join`: what the route joins stands in `connect`, and ends with the connection.
    void entered(Session& session, std::string_view channel, Now now);
    void left(Session& session, std::string_view channel, Now now);

  private:
    void tell(Session& session, std::string_view event, std::string_view members, Now now);
    void tell(Session& session, const dsl::Notify& notify, std::string_view event, std::string_view members,
              Now now);
    void register_end(Session& session, Now now);
    [[nodiscard]] std::optional<Notice> notice_of(Session& session, const dsl::Notify& notify,
                                                  std::string_view event, std::string_view members,
                                                  std::optional<uint64_t> seq, Now now);

    std::string name_;
    uint32_t worker_;
    Notices* notices_;
    const Bindings& bindings_;
    ConnectionLog& log_;
    std::mt19937_64& random_;
    uint64_t told_ = 0;
};

}  // namespace wayleave
