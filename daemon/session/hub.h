// Who at this worker listens to which channel. Owned by the gateway; one thread. The broker is told of the
// first subscriber of a channel and of the last that leaves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/message/broker.h"
#include "daemon/session/session.h"

namespace wayleave {

// The last offset that a subscriber was given; in a channel that is not numbered it means nothing.
struct Subscriber {
    static constexpr uint64_t catching_up = UINT64_MAX;  // what comes is not for it: see Replay

    Session* session = nullptr;
    uint64_t offset = 0;
    bool owed = false;      // the channel is in Session::owed
    bool numbered = false;  // it is in EventStream::numbered
};

// What a channel with `conflate` or `batch` holds back until its window is over.
struct Gathered {
    explicit Gathered(size_t& all_bytes) : all(all_bytes) {}
    ~Gathered() { all -= bytes; }
    Gathered(const Gathered&) = delete;
    Gathered& operator=(const Gathered&) = delete;

    void weigh(size_t fresh, size_t gone) {
        bytes += fresh - gone;
        all += fresh - gone;
    }

    size_t& all;           // the bytes of all channels of this worker
    int64_t until_ms = 0;  // steady time
    std::vector<Publication> waiting;
    size_t bytes = 0;
    StringMap<size_t> by_key;  // of conflation: where in `waiting`
};

struct Channel {
    std::string name;
    const dsl::ChannelRules* rules =
        nullptr;  // of the policy of that generation: see Subscriptions::adopt_policy
    uint64_t generation = UINT64_MAX;
    Position seen;              // the newest message that came to this worker
    mutable uint64_t mark = 0;  // see channel_mark; 0: not computed yet
    bool presence = false;      // the subscribers are counted by the broker's presence
    std::vector<Subscriber> subscribers;
    std::unique_ptr<Gathered> gathered;  // mostly null
};

// By which it stands in the id of an event.
[[nodiscard]] uint64_t mark_of(const Channel& channel);

class Hub {
  public:
    Hub(uint32_t worker, Broker& broker) : worker_(worker), broker_(broker) {}

    // The channel, which lives while it has a subscriber; null if the session is subscribed already.
    Channel* subscribe(Session& session, std::string_view channel, Entered entered = Entered::by_client);
    // Another decision for one that it is in.
    void decide(Session& session, const Channel& channel, Entered entered) const;
    [[nodiscard]] bool is_subscribed(Session& session, std::string_view channel) const;
    // The session's own entry in the channel's list, or null.
    [[nodiscard]] Subscriber* subscriber(Session& session, const Channel& channel) const;
    bool unsubscribe(Session& session, std::string_view channel);
    void leave_all(Session& session);

    [[nodiscard]] Channel* find(std::string_view channel) const;
    [[nodiscard]] size_t channels() const { return channels_.size(); }
    [[nodiscard]] size_t subscriptions() const { return subscriptions_; }
    // What all channels hold back: see Gathered.
    [[nodiscard]] size_t& gathered_bytes() { return gathered_bytes_; }

  private:
    void remove(Session& session, size_t index);
    void check_entry(Session& session, const Channel& channel) const;

    uint32_t worker_;
    Broker& broker_;
    size_t gathered_bytes_ = 0;  // it outlives the channels
    StringMap<std::unique_ptr<Channel>> channels_;
    size_t subscriptions_ = 0;
};

// The sessions of this worker that hear the channel, but for the one that is left out.
[[nodiscard]] size_t receivers_in(const Hub& hub, const Receivers& of);

}  // namespace wayleave
