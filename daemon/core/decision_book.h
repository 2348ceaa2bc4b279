// How often each line of the policy refused something: the counters behind `wayleave_decisions_total`.
// Bounded. Thread-safe: each worker writes its own, the metrics page reads all.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/core/reason.h"

namespace wayleave {

class DecisionBook {
  public:
    using Key = std::pair<std::string, Reason>;  // decision id, reason

    void count(std::string_view decision, Reason reason);
    // After a reload: what the policies before decided is of no use, and would grow without end.
    void keep_only(std::string_view policy_hash);
    [[nodiscard]] std::map<Key, uint64_t> read() const;

  private:
    mutable std::mutex mutex_;
    std::map<Key, uint64_t> counts_;
};

}  // namespace wayleave
