// The connections of this process that have a slot. Thread-safe, striped. As large as there are connections,
// which are bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "daemon/message/connection_slots.h"

namespace wayleave {

class LocalSlots final : public ConnectionSlots {
  public:
    // The connection has lost its slot to a newer one and ends. Called under a lock: it must not come back
    // here.
    using Evict = std::function<void(const SlotHolder&)>;

    explicit LocalSlots(Evict evict);
    ~LocalSlots() override;
    LocalSlots(const LocalSlots&) = delete;
    LocalSlots& operator=(const LocalSlots&) = delete;

    void take(std::string_view key, int64_t most, const SlotHolder& holder) override;
    void leave(std::string_view key, const SlotHolder& holder) override;

  private:
    struct Stripe;
    [[nodiscard]] Stripe& stripe_of(std::string_view key) const;

    const Evict evict_;
    std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace wayleave
