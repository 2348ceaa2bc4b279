#include "daemon/edge/helper_thread.h"

#include <pthread.h>

#include <utility>

namespace wayleave {

HelperThread::HelperThread(const char* name)
    : calls_(loop_), thread_([this, name] {
          pthread_setname_np(pthread_self(), name);
          loop_.run();
      }) {}

HelperThread::~HelperThread() {
    ending_ = true;
    calls_.post([this] { loop_.stop(); });
    thread_.join();
}

void HelperThread::post(std::function<void()> job) {
    calls_.post([this, job = std::move(job)] {
        if (!ending_) job();
    });
}

}  // namespace wayleave
