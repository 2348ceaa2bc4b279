// The console at the admin address: a page, and what it asks. Without a token it looks; with the one of
// admin.token_file it acts. Main thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/ops/server/http_server.h"

namespace wayleave {

class Console {
  public:
    // What answers at the control socket.
    using Control = std::function<void(const OpsRequest& request, const Responder& respond)>;

    // An empty token: nobody acts.
    Console(std::string token, Control control) : token_(std::move(token)), control_(std::move(control)) {}

    // False: the address is not the console's.
    [[nodiscard]] bool answer(const OpsRequest& request, const Responder& respond) const;

  private:
    void ask(const OpsRequest& request, std::string_view path, const Responder& respond) const;
    [[nodiscard]] bool is_unlocked(std::string_view authorization) const;

    const std::string token_;  // secret
    const Control control_;
};

}  // namespace wayleave
