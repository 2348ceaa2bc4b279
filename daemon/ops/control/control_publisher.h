// Where an operator, or an application's server on the same machine, has to do with the broker: it publishes,
// and asks how far a user has come. Main thread. Whoever asks is called back, after a bounded time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/message/api_body.h"
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
    bool heard = true;                        // somebody is subscribed
    bool named = true;                        // a `channel` block of the policy is about it
    std::optional<Receivers> receivers = {};  // where they are asked for
};

// Of a request: one, or several in their order.
struct PublishedAll {
    bool list = false;
    std::vector<Published> each;

    [[nodiscard]] bool whole() const;  // the storage has taken all of them
};

class ControlPublisher final : public Inbox {
  public:
    using ThenPublished = std::function<void(Result<PublishedAll, DeskError>)>;
    // Fills in how many they are, by asking all workers.
    using CountReceivers =
        std::function<void(std::vector<Receivers> of, std::function<void(std::vector<Receivers>)> then)>;
    using ThenProgress = std::function<void(Result<Progress, DeskError>)>;

    // All are borrowed; `calls` must outlive the broker's last answer.
    ControlPublisher(Loop& loop, LoopCalls& calls, Broker& broker)
        : broker_(broker), calls_(calls), pending_(loop, calls), number_(broker.add_worker(*this)) {}

    // Of the questions from now on.
    void set_timeout(int64_t ms) { timeout_ms_ = ms; }

    // Else nobody is counted.
    void count_by(CountReceivers count) { count_ = std::move(count); }

    // The body of an api's POST /publish.
    void publish(std::string_view json, const dsl::Policy& policy, Now now, ThenPublished then);
    // `{"channel": …, "user": …}`
    void progress(std::string_view json, const dsl::Policy& policy, Now now, ThenProgress then);

    void push(const Publication&) override {}                      // it subscribes to nothing
    void answered(uint64_t ticket, BrokerAnswer answer) override;  // any thread

  private:
    struct Batch;
    [[nodiscard]] Result<Nothing, DeskError> add_drafts(std::string_view item, const dsl::Policy& policy,
                                                        Now now, Batch& batch);
    void published(const std::shared_ptr<Batch>& batch, size_t index, std::optional<BrokerAnswer> answer);
    void finish(const std::shared_ptr<Batch>& batch);
    [[nodiscard]] Ticket ticket(PendingAnswers<BrokerAnswer>::Done done);

    Broker& broker_;
    LoopCalls& calls_;
    int64_t timeout_ms_ = 0;
    PendingAnswers<BrokerAnswer> pending_;
    const uint32_t number_;
    CountReceivers count_;
    uint64_t published_ = 0;
};

// As JSON.
[[nodiscard]] std::string json_of(const PublishedAll& published);
[[nodiscard]] std::string json_of(const Progress& progress);

}  // namespace wayleave
