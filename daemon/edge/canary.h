// Proof that publications arrive: about once a second a message goes through the broker to every
// worker of this daemon, on a channel that is its own and that no client can name, and each worker notes it
// in its own turn. One that does not come back tells which worker is stuck. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/message/broker.h"

namespace wayleave {

struct CanaryReport {
    bool ready = false;              // the first has made its round, and nothing is stuck
    std::vector<std::string> stuck;  // what, for how long, and the broker's own words
    uint64_t sung = 0;
    uint64_t failed = 0;  // not accepted, or not with every worker in time
    int64_t last_us = 0;  // from publishing to the slowest worker
    int64_t sum_us = 0;
    uint64_t rounds = 0;
    // Of the rounds: how many took no longer than each bound.
    static constexpr std::array<int64_t, 8> bounds_us = {1000,    5000,    10'000,    50'000,
                                                         100'000, 500'000, 1'000'000, 5'000'000};
    std::array<uint64_t, bounds_us.size()> within{};
};

class Canary final : public Inbox {
  public:
    static constexpr int64_t patience_us = 5'000'000;

    // `node`: of several daemons, what tells this one's channel from the others'; empty: it is alone.
    explicit Canary(Broker& broker, std::string_view node = {});
    [[nodiscard]] const std::string& channel() const { return channel_; }

    // When the workers, from number 0 on, are known to the broker and each has subscribed to channel();
    // before any of them starts.
    void begin(size_t workers);

    // Every second. Nothing is published while the broker is still busy with the last one.
    void probe(Now now, int64_t at_us);
    // A worker's own turn has come to it.
    void heard(uint32_t worker, Position position, int64_t at_us);
    [[nodiscard]] CanaryReport report(int64_t at_us) const;

    void push(const Publication&) override {}
    void answered(uint64_t ticket, BrokerAnswer answer) override;

  private:
    struct Song {
        uint64_t number = 0;
        int64_t sung_us = 0;
        std::optional<Position> position = {};  // once it is accepted
        bool answered = false;
        bool failed = false;
        size_t waiting = 0;  // workers that have not heard it
    };
    struct Listener {
        Position heard = {};
        int64_t heard_us = 0;
        uint64_t done = 0;    // the last song that it has heard
        int64_t done_us = 0;  // and when
    };

    void settle(uint64_t number, const Receipt& receipt);
    void listen(Listener& listener);
    void complete(Song& song, int64_t at_us);
    void fail(Song& song);
    void give_up(int64_t at_us);
    [[nodiscard]] bool unheard(const Listener& listener) const;

    Broker& broker_;
    const std::string channel_;
    uint32_t self_ = 0;
    mutable std::mutex mutex_;
    std::deque<Song> songs_;  // under way, oldest first
    std::vector<Listener> listeners_;
    int64_t accepted_us_ = 0;  // when the last one that was accepted was sung; at first: the first one
    std::string because_;      // why the last one was not accepted; empty: it was
    uint64_t numbers_ = 0;
    CanaryReport counted_;
};

}  // namespace wayleave
