// Where an operator, or an application's server on the same machine, has to do with the broker: it publishes,
// and asks how far a user has come. Main thread; it waits for the answer, for a bounded time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/now.h"
#include "daemon/message/broker.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// What is wrong with a request: for the HTTP status and the one who asked.
struct DeskError {
    int status = 400;
    std::string detail;
};

// What became of a publication.
struct Published {
    Receipt receipt;
    bool heard = true;  // somebody is subscribed
    bool named = true;  // a `channel` block of the policy is about it
};

class ControlPublisher final : public Inbox {
  public:
    ControlPublisher(Broker& broker, int64_t timeout_ms)
        : broker_(broker), timeout_ms_(timeout_ms), number_(broker.add_worker(*this)) {}

    // `{"channel": …, "data": {…}}`, and perhaps `dedup` and `key`, as `$publish` has them.
    [[nodiscard]] Result<Published, DeskError> publish(std::string_view json, const dsl::Policy& policy,
                                                       Now now);
    // `{"channel": …, "user": …}`
    [[nodiscard]] Result<Progress, DeskError> progress(std::string_view json, const dsl::Policy& policy,
                                                       Now now);

    void push(const Publication&) override {}  // it subscribes to nothing
    void answered(uint64_t ticket, BrokerAnswer answer) override;
    void evict(const SlotHolder&) override {}

  private:
    [[nodiscard]] Ticket next_ticket();
    template <class Answer>
    [[nodiscard]] std::optional<Answer> wait();

    Broker& broker_;
    const int64_t timeout_ms_;
    const uint32_t number_;
    std::mutex mutex_;
    std::condition_variable came_;
    uint64_t ticket_ = 0;  // of the question that is out; what has another number is too late
    std::optional<BrokerAnswer> answer_;
    uint64_t published_ = 0;
};

// As JSON.
[[nodiscard]] std::string json_of(const Published& published);
[[nodiscard]] std::string json_of(const Progress& progress);

}  // namespace wayleave
