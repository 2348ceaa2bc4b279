// How often each line of the policy refused something: the counters behind `wayleave_decisions_total`.
// Bounded. Thread-safe: each worker writes its own, the metrics page reads all.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/base/reason.h"

namespace wayleave {

class DecisionBook {
  public:
    struct Key {
        std::string decision;
        std::string route;  // where it was asked
        Reason reason = Reason::forbidden;

        friend auto operator<=>(const Key&, const Key&) = default;
    };

    void count(std::string_view decision, std::string_view route, Reason reason);
    // After a reload: what the policies before decided is of no use, and would grow without end.
    void keep_only(std::string_view policy_hash);
    [[nodiscard]] std::map<Key, uint64_t> read() const;

  private:
    mutable std::mutex mutex_;
    std::map<Key, uint64_t> counts_;
};

}  // namespace wayleave
