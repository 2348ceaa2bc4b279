// What waits for one thread, from many clients: one of each in turn, so that nobody waits longer because
// another asks much. No lock: its owner's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace wayleave {

template <class Task>
class TurnQueue {
  public:
    // `most` of all clients together, and an eighth of them of one.
    explicit TurnQueue(size_t most) : most_(most), most_each_(most / 8 + 1) {}

    // False: too much waits, of all or of this client.
    [[nodiscard]] bool add(uint64_t client, Task task) {
        if (size_ >= most_) return false;
        std::deque<Task>& own = waiting_[client];
        if (own.size() >= most_each_) return false;
        if (own.empty()) turns_.push_back(client);
        own.push_back(std::move(task));
        ++size_;
        return true;
    }

    // There is one.
    [[nodiscard]] Task take() {
        const uint64_t client = turns_.front();
        turns_.pop_front();
        const auto it = waiting_.find(client);
        Task task = std::move(it->second.front());
        it->second.pop_front();
        --size_;
        if (it->second.empty()) {
            waiting_.erase(it);
        } else {
            turns_.push_back(client);
        }
        return task;
    }

    [[nodiscard]] size_t size() const { return size_; }

  private:
    const size_t most_;
    const size_t most_each_;
    absl::flat_hash_map<uint64_t, std::deque<Task>> waiting_;  // none is empty
    std::deque<uint64_t> turns_;                               // each client that waits, once
    size_t size_ = 0;
};

}  // namespace wayleave
