// What other threads have for a loop to do: the way back to the thread that must not wait for them.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "daemon/edge/loop.h"

namespace wayleave {

class LoopCalls {
  public:
    explicit LoopCalls(Loop& loop) : wakeup_(loop, [this] { run(); }) {}

    // Any thread; called on the loop's own at its next turn, in the order of posting. What nobody has called
    // when this goes is never called.
    void post(std::function<void()> call);

  private:
    void run();

    std::mutex mutex_;
    std::vector<std::function<void()>> waiting_;
    Wakeup wakeup_;
};

}  // namespace wayleave
