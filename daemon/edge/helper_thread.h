// A thread for what takes long and must not keep a loop: one job at a time, in the order of posting.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"

namespace wayleave {

class HelperThread {
  public:
    // `name` is shown by ps and debuggers. The thread inherits the signal mask: the caller blocks what the
    // main thread handles.
    explicit HelperThread(const char* name);
    // Waits for the job under way. Those behind it are dropped.
    ~HelperThread();
    HelperThread(const HelperThread&) = delete;
    HelperThread& operator=(const HelperThread&) = delete;

    void post(std::function<void()> job);  // any thread

  private:
    std::atomic<bool> ending_{false};
    Loop loop_;
    LoopCalls calls_;
    std::thread thread_;
};

}  // namespace wayleave
