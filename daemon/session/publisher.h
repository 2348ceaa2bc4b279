// What clients publish: to the broker, and the answer when the broker has it. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/session/broker_requests.h"
#include "daemon/session/replies.h"

namespace wayleave {

class Publisher {
  public:
    // `name` is of this worker in this run of the daemon: an id of a message is never another's.
    Publisher(std::string name, Broker& broker, BrokerRequests& requests, Replies& replies,
              Counters& counters);

    // The storage's queue is everybody's.
    [[nodiscard]] bool has_room(const Session& session, size_t publications) const;
    [[nodiscard]] static Rejection no_room();
    // `replies` are texts that the sender gets instead of `$ok` when all of it is accepted.
    void publish(Session& session, const ReplyTo& re, std::vector<Draft> drafts, Now now,
                 std::vector<std::string> replies = {});
    // What a backend orders: nobody waits for the broker's answer. Repetitions are known among its own.
    void publish_for(const dsl::BackendDecl& backend, std::vector<Draft> drafts, Now now);
    void note_order(const Receipt& receipt);
    // One of them has its answer.
    void published(Session& session, Publishing& publishing, Receipt receipt, Now now);

  private:
    void reply(Session& session, const Publishing& publishing, Now now);

    std::string name_;
    Broker& broker_;
    BrokerRequests& requests_;
    Replies& replies_;
    Counters& counters_;
    uint64_t publications_ = 0;
};

}  // namespace wayleave
