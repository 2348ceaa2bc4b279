// Listening sockets that others have bound: the service manager (socket activation, sd_listen_fds(3)), or the
// daemon that this one takes over from. They are found by the name that the service manager gave them, or by
// the address in the settings of the daemon before. Main thread, at the start.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "daemon/edge/socket.h"
#include "daemon/ops/server/start_error.h"

namespace wayleave {

struct GivenListener {
    enum class Use { any, clients, admin, control };  // any: a service manager does not know

    Use use = Use::any;
    std::string name = {};  // FileDescriptorName= of the unit; empty: no service manager has bound it
    std::string address =
        {};  // of the settings of the daemon that has bound it; empty: a service manager has
    std::vector<FileDescriptor> sockets = {};
};

class GivenSockets {
  public:
    GivenSockets() = default;
    explicit GivenSockets(std::vector<GivenListener> listeners) : listeners_(std::move(listeners)) {}

    // Those of the service manager; none if this process was started by hand. A second call finds none.
    [[nodiscard]] static Result<GivenSockets, StartError> of_service_manager();

    // A service manager has passed some, whoever has taken them.
    [[nodiscard]] bool of_manager() const { return of_manager_; }
    // Those of this name, or of this address. Each is found once; without sockets: there are none.
    [[nodiscard]] GivenListener take(GivenListener::Use use, const std::string& name,
                                     const std::string& address);
    // Whether take() would find some of this name.
    [[nodiscard]] bool has(GivenListener::Use use, const std::string& name) const;
    // Nobody listens there any more; another may take them later.
    void give_back(GivenListener listener) { listeners_.push_back(std::move(listener)); }
    // What no service manager has bound is closed.
    void drop_unnamed();
    // An error if the service manager passed some that nobody has taken: clients would wait there for ever.
    [[nodiscard]] Started check_all_taken() const;

  private:
    std::vector<GivenListener> listeners_;
    bool of_manager_ = false;
};

}  // namespace wayleave
