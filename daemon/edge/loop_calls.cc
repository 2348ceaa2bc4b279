#include "daemon/edge/loop_calls.h"

#include <utility>

namespace wayleave {

void LoopCalls::post(std::function<void()> call) {
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(call));
    }
    wakeup_.send();
}

// Without the mutex: a call may post another, which is for the next turn.
void LoopCalls::run() {
    std::vector<std::function<void()>> calls;
    {
        const std::lock_guard lock(mutex_);
        calls.swap(waiting_);
    }
    for (const auto& call : calls) call();
}

}  // namespace wayleave
