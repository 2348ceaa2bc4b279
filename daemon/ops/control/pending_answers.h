// Who waits for an answer of another thread, without waiting: each is called back once, with the answer or,
// when its patience is at an end, with nothing. Main thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"

namespace wayleave {

template <class Answer>
class PendingAnswers {
  public:
    using Done = std::function<void(std::optional<Answer> answer)>;

    PendingAnswers(Loop& loop, LoopCalls& calls) : loop_(loop), calls_(calls) {}

    // The number that its answer comes under.
    uint64_t add(int64_t patience_ms, Done done) {
        const uint64_t number = ++numbers_;
        Waiting& waiting =
            waiting_.try_emplace(number, loop_, timed_out(number), std::move(done)).first->second;
        waiting.timer.after(patience_ms);
        return number;
    }

    // Nobody is called for what comes too late or twice.
    void answer(uint64_t number, std::optional<Answer> answer) {
        const auto found = waiting_.find(number);
        if (found == waiting_.end()) return;
        const Done done = std::move(found->second.done);
        waiting_.erase(found);
        done(std::move(answer));
    }

    [[nodiscard]] size_t size() const { return waiting_.size(); }

  private:
    struct Waiting {
        Waiting(Loop& loop, Timer::Callback timed_out, Done wanted)
            : done(std::move(wanted)), timer(loop, std::move(timed_out)) {}

        Done done;
        Timer timer;
    };

    // In a call of its own, since a timer must not end itself in its callback.
    [[nodiscard]] Timer::Callback timed_out(uint64_t number) {
        return [this, number] { calls_.post([this, number] { answer(number, std::nullopt); }); };
    }

    Loop& loop_;
    LoopCalls& calls_;
    uint64_t numbers_ = 0;
    std::map<uint64_t, Waiting> waiting_;
};

}  // namespace wayleave
