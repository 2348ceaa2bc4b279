// The end in good order: at a signal no more connections are taken, those that are open are closed, and then
// the loop ends. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/server/reloader.h"

namespace wayleave {

class Stopper {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        const Workers& workers;
        const ConnectionQuota& quota;
        Reloader& reloader;
        // Nobody listens any more.
        std::function<void()> close_listeners;
        // A line for the service manager.
        std::function<std::string()> status;
        // The process ends at once: what must not be left behind goes.
        std::function<void()> clean_up;
    };
    explicit Stopper(Parts parts);

    // The end begins, and why; a second time nothing happens. `successor`: another daemon serves already.
    void begin(const std::string& why, bool successor);
    // Likewise at a signal; during the end it is over at once.
    void terminate(const char* signal);
    [[nodiscard]] bool stopping() const { return stopping_; }

  private:
    void look();

    const Parts parts_;
    Timer timer_;
    bool stopping_ = false;
    int64_t until_ms_ = 0;  // steady time
    int64_t extended_ms_ = 0;
};

}  // namespace wayleave
