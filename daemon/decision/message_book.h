// How many messages came of each type that the policy names: the counters behind
// `wayleave_messages_by_type_total`. Bounded by the policy. A worker adds to what it was given, without a
// look-up; the metrics page reads all. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/counter.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// Of one route of one policy.
class MessageCounters {
  public:
    using One = std::shared_ptr<Counter>;

    MessageCounters(const dsl::Route& route, std::vector<One> blocks, One others)
        : first_(route.messages.data()), blocks_(std::move(blocks)), others_(std::move(others)) {}

    // `block` is of that route; null: no block has the type.
    void count(const dsl::Message* block) const {
        (block ? *blocks_[static_cast<size_t>(block - first_)] : *others_).add();
    }

  private:
    const dsl::Message* first_;
    std::vector<One> blocks_;
    One others_;
};

class MessageBook {
  public:
    using Key =
        std::pair<std::string, std::string>;  // a route, and the types of a block: "say", "call.*, say"
    using Counts = std::map<Key, uint64_t>;
    static constexpr size_t most_types = 2048;  // beyond them all of a route are others

    [[nodiscard]] std::shared_ptr<const MessageCounters> of(const dsl::Route& route);
    // After a reload: what the policy does not name any more goes. Who counts there still is not heard.
    void keep_only(const dsl::Policy& policy);
    [[nodiscard]] Counts read() const;

  private:
    [[nodiscard]] MessageCounters::One counter(const std::string& route, const std::string& types);

    mutable std::mutex mutex_;
    std::map<Key, MessageCounters::One> counts_;
};

}  // namespace wayleave
