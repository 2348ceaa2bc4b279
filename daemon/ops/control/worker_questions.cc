#include "daemon/ops/control/worker_questions.h"

#include <atomic>
#include <optional>
#include <utility>

namespace wayleave {

void WorkerQuestions::ask(const WorkerQuestion& question, int64_t patience_ms,
                          std::function<void(bool all)> done) {
    const uint64_t number = pending_.add(
        patience_ms, [done = std::move(done)](std::optional<Nothing> all) { done(all.has_value()); });
    const auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
    for (size_t i = 0; i < workers_.size(); ++i) {
        workers_[i]->task([this, i, number, question, left](Gateway& gateway, Now now) {
            if (!question(i, gateway, now)) return false;
            if (--*left == 0) calls_.post([this, number] { pending_.answer(number, Nothing{}); });
            return true;
        });
    }
}

}  // namespace wayleave
