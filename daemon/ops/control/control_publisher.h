// Where an operator, or an application's server on the same machine, has to do with the broker: it publishes,
// and asks how far a user has come. Main thread. Whoever asks is called back, after a bounded time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/now.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/message/broker.h"
#include "daemon/ops/control/pending_answers.h"
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
    using ThenPublished = std::function<void(Result<Published, DeskError>)>;
    using ThenProgress = std::function<void(Result<Progress, DeskError>)>;

    // All are borrowed; `calls` must outlive the broker's last answer.
    ControlPublisher(Loop& loop, LoopCalls& calls, Broker& broker)
        : broker_(broker), calls_(calls), pending_(loop, calls), number_(broker.add_worker(*this)) {}

    // Of the questions from now on.
    void set_timeout(int64_t ms) { timeout_ms_ = ms; }

    // `{"channel": …, "data": {…}}`, and perhaps `dedup` and `key`, as `$publish` has them.
    void publish(std::string_view json, const dsl::Policy& policy, Now now, ThenPublished then);
    // `{"channel": …, "user": …}`
    void progress(std::string_view json, const dsl::Policy& policy, Now now, ThenProgress then);

    void push(const Publication&) override {}                      // it subscribes to nothing
    void answered(uint64_t ticket, BrokerAnswer answer) override;  // any thread
    void evict(const SlotHolder&) override {}

  private:
    [[nodiscard]] Result<Draft, DeskError> draft(std::string_view json, const dsl::Policy& policy, Now now);
    [[nodiscard]] Ticket ticket(PendingAnswers<BrokerAnswer>::Done done);

    Broker& broker_;
    LoopCalls& calls_;
    int64_t timeout_ms_ = 0;
    PendingAnswers<BrokerAnswer> pending_;
    const uint32_t number_;
    uint64_t published_ = 0;
};

// As JSON.
[[nodiscard]] std::string json_of(const Published& published);
[[nodiscard]] std::string json_of(const Progress& progress);

}  // namespace wayleave
