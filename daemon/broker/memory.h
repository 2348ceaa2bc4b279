// The broker inside one process: workers hear of each other's publications through their inboxes. Keeps no
// message.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/broker/seats.h"
#include "daemon/core/broker.h"

namespace wayleave {

class MemoryBroker final : public Broker {
  public:
    MemoryBroker();
    ~MemoryBroker() override;
    MemoryBroker(const MemoryBroker&) = delete;
    MemoryBroker& operator=(const MemoryBroker&) = delete;

    [[nodiscard]] uint32_t add_worker(Inbox& inbox) override;
    void subscribe(uint32_t worker, std::string_view channel) override;
    void unsubscribe(uint32_t worker, std::string_view channel) override;
    void publish(const Publication& publication) override;
    void take_seat(std::string_view key, int64_t most, const Occupant& occupant) override;
    void leave_seat(std::string_view key, const Occupant& occupant) override;

  private:
    struct Stripe;

    [[nodiscard]] Stripe& stripe_of(std::string_view channel) const;

    std::vector<Inbox*> inboxes_;  // by worker; fixed before the threads start
    std::unique_ptr<Stripe[]> stripes_;
    Seats seats_;
};

}  // namespace wayleave
