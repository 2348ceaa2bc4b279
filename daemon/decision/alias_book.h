// Who comes by which alias: what must be known before one is taken away. Thread-safe: each worker writes its
// own, the status reads all. No more of them than the policy has, and those by which somebody is here still.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace wayleave {

class AliasBook {
  public:
    struct Count {
        uint64_t handshakes = 0;
        uint64_t sessions = 0;  // that are open
    };
    using Counts = std::map<std::string, Count, std::less<>>;  // by the address, as it is written

    void opened(std::string_view alias);
    void closed(std::string_view alias);
    // After a reload.
    void keep_only(const std::function<bool(std::string_view)>& is_known);
    [[nodiscard]] Counts read() const;

  private:
    mutable std::mutex mutex_;
    Counts counts_;
};

}  // namespace wayleave
