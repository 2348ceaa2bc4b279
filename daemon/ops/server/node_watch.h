// What other nodes are told of this daemon, and what the operator is told of them. Main thread, every second.
#pragma once

#include <string>

#include "daemon/message/commons.h"
#include "daemon/ops/server/snapshot.h"

namespace wayleave {

class NodeWatch {
  public:
    explicit NodeWatch(std::string name) : name_(std::move(name)) {}

    void look(Commons& commons, const Snapshot& snapshot);
    // What changed since it was told the last time.
    void tell(const NodeList& list);

  private:
    const std::string name_;
    bool told_skew_ = false;
    uint64_t told_buried_ = 0;
};

// Reloads of many nodes take a while: only then policies that differ are worth a word.
constexpr int64_t tolerated_skew_ms = 300'000;

// The name by which operators know a node: as set, or the machine's.
[[nodiscard]] std::string node_name(const std::string& wanted);

}  // namespace wayleave
