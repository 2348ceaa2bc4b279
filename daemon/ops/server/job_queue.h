// Jobs that are done one after another, in their order, though each takes its time and says itself when it
// has ended. Main thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>

namespace wayleave {

class JobQueue {
  public:
    struct Job {
        std::function<void()> begin;
        std::function<void()> refuse;  // instead of begin, if the queue is stopped before
    };

    // Begins at once if nothing is under way. After stop() it is refused.
    void add(Job job);
    // The job that has begun has ended: the next one begins.
    void end();
    // Refuses those that wait. The one under way ends as it will.
    void stop();

    [[nodiscard]] size_t waiting() const { return waiting_.size(); }
    [[nodiscard]] bool stopped() const { return stopped_; }

  private:
    void begin_next();

    std::deque<Job> waiting_;
    bool busy_ = false;
    bool stopped_ = false;
};

}  // namespace wayleave
