// Who sits where: the connections that a `limit connections … on excess replace_oldest` counts, oldest first.
// Thread-safe, striped. As large as there are connections, which are bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "daemon/message/broker.h"

namespace wayleave {

class ConnectionSlots {
  public:
    using Unseat = std::function<void(const SlotHolder&)>;

    ConnectionSlots();
    ~ConnectionSlots();
    ConnectionSlots(const ConnectionSlots&) = delete;
    ConnectionSlots& operator=(const ConnectionSlots&) = delete;

    // `evict` is called for each that makes room, under a lock: it must not come back here.
    void take(std::string_view key, int64_t most, const SlotHolder& occupant, const Unseat& evict);
    void leave(std::string_view key, const SlotHolder& occupant);

  private:
    struct Stripe;
    [[nodiscard]] Stripe& stripe_of(std::string_view key) const;

    std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace wayleave
