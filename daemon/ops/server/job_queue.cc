#include "daemon/ops/server/job_queue.h"

#include <utility>

namespace wayleave {

void JobQueue::add(Job job) {
    if (stopped_) return job.refuse();
    waiting_.push_back(std::move(job));
    if (!busy_) begin_next();
}

void JobQueue::end() {
    busy_ = false;
    begin_next();
}

void JobQueue::stop() {
    stopped_ = true;
    std::deque<Job> refused;
    refused.swap(waiting_);
    for (const Job& job : refused) job.refuse();
}

// `busy_` first: the job may end within begin().
void JobQueue::begin_next() {
    if (waiting_.empty()) return;
    busy_ = true;
    const Job job = std::move(waiting_.front());
    waiting_.pop_front();
    job.begin();
}

}  // namespace wayleave
