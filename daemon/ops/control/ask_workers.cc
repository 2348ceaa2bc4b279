#include "daemon/ops/control/ask_workers.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace wayleave {
namespace {

struct Countdown {
    std::mutex mutex;
    std::condition_variable done;
    size_t left = 0;
};

}  // namespace

bool ask_workers(const std::vector<std::unique_ptr<Worker>>& workers, const WorkerQuestion& question,
                 int64_t patience_ms) {
    auto countdown = std::make_shared<Countdown>();
    countdown->left = workers.size();
    for (size_t i = 0; i < workers.size(); ++i) {
        workers[i]->task([i, question, countdown](Gateway& gateway, Now now) {
            if (!question(i, gateway, now)) return false;
            const std::lock_guard lock(countdown->mutex);
            --countdown->left;
            countdown->done.notify_one();
            return true;
        });
    }
    std::unique_lock lock(countdown->mutex);
    return countdown->done.wait_for(lock, std::chrono::milliseconds(patience_ms),
                                    [&] { return countdown->left == 0; });
}

}  // namespace wayleave
