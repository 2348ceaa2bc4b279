// An inbox that waits for its answers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/message/broker.h"

namespace wayleave {

class TestBox final : public Inbox {
  public:
    void push(const Publication& publication) override {
        const std::lock_guard lock(mutex_);
        if (publication->stands) {
            stands_[publication->channel] = publication->position;
        } else {
            pushed_.push_back(publication);
        }
        changed_.notify_all();
    }
    void answered(uint64_t ticket, BrokerAnswer answer) override {
        const std::lock_guard lock(mutex_);
        answers_.insert_or_assign(ticket, std::move(answer));
        changed_.notify_all();
    }

    template <class T>
    T wait(uint64_t ticket) {
        std::unique_lock lock(mutex_);
        const bool came =
            changed_.wait_for(lock, std::chrono::seconds(30), [&] { return answers_.contains(ticket); });
        if (!came) throw std::runtime_error("no answer came");  // on any thread, where Catch may not be
        T answer = std::get<T>(std::move(answers_.at(ticket)));
        answers_.erase(ticket);
        return answer;
    }
    // Until so many have been pushed; those that were, if they do not come.
    std::vector<Publication> take(size_t count) {
        std::unique_lock lock(mutex_);
        (void)changed_.wait_for(lock, std::chrono::seconds(30), [&] { return pushed_.size() >= count; });
        return std::exchange(pushed_, {});
    }
    // Until it was told so; else an empty one.
    Position stands(const std::string& channel) {
        std::unique_lock lock(mutex_);
        (void)changed_.wait_for(lock, std::chrono::seconds(30), [&] { return stands_.contains(channel); });
        return std::exchange(stands_[channel], {});
    }
    std::vector<Publication> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(pushed_, {});
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Publication> pushed_;
    std::map<uint64_t, BrokerAnswer> answers_;
    std::map<std::string, Position> stands_;
};

// "1=a 2=b": offsets and ids.
inline std::string brief(const std::vector<Publication>& messages) {
    std::string out;
    for (const Publication& message : messages) {
        const std::string text(message->frame.payload());
        const size_t at = text.find("\"id\":\"") + 6;
        out += (out.empty() ? "" : " ") + std::to_string(message->position.offset) + "=" +
               text.substr(at, text.find('"', at) - at);
    }
    return out;
}

}  // namespace wayleave
