// What the broker has been asked and has not answered yet. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/connection.h"
#include "daemon/base/now.h"
#include "daemon/message/broker.h"
#include "daemon/message/reply_to.h"
#include "daemon/session/bindings.h"

namespace wayleave {

struct ApiRequest;
struct Channel;

// One message of a client, to one channel or several.
struct Publishing {
    ReplyTo re;
    size_t left = 0;
    Receipt receipt = {};  // of the last, or of the one that failed
    size_t channels = 0;
    std::vector<std::string> replies = {};  // texts, instead of `$ok`
};

struct BrokerRequest {
    enum class Kind : uint8_t { publish, replay, history, acknowledge, presence, progress, order };
    ConnectionId id;
    Kind kind = Kind::publish;
    ReplyTo re = {};
    const Channel* channel = nullptr;                  // of a replay: compared, never followed
    std::shared_ptr<Publishing> publishing = nullptr;  // of a client's publication
    // Of an application's server: its request, and which publication of it. Null: a client asked.
    std::shared_ptr<ApiRequest> api = nullptr;
    size_t api_index = 0;
    int64_t asked_ms = 0;  // steady time
};

class BrokerRequests {
  public:
    BrokerRequests(uint32_t worker, const Bindings& bindings) : worker_(worker), bindings_(bindings) {}

    [[nodiscard]] Ticket next_ticket() { return {worker_, ++tickets_, 0}; }  // of no session
    [[nodiscard]] Ticket next_ticket(const Session& session) { return {worker_, ++tickets_, session.number}; }
    // The answer comes later. Not before this is called: it comes to this thread's inbox.
    void expect(Ticket ticket, BrokerRequest request, Now now);
    // Nothing if it came too late.
    [[nodiscard]] std::optional<BrokerRequest> take(uint64_t ticket);
    // One whose time is over, and the answer that takes the place of the broker's.
    [[nodiscard]] std::optional<std::pair<uint64_t, BrokerAnswer>> next_overdue(Now now);

  private:
    uint32_t worker_;
    const Bindings& bindings_;
    uint64_t tickets_ = 0;
    absl::flat_hash_map<uint64_t, BrokerRequest> asked_;    // by ticket
    std::deque<std::pair<int64_t, uint64_t>> asked_until_;  // steady time and ticket, as they were asked
};

}  // namespace wayleave
