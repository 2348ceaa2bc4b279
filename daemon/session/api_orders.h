// What an api asks of sessions, wherever they are: POST /disconnect, /subscribe and /unsubscribe, and GET
// /sessions. An order goes from worker to worker, and comes back to the request. One thread.
#pragma once

#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "daemon/session/api_request.h"
#include "daemon/session/closing.h"
#include "daemon/session/connection_log.h"
#include "daemon/session/hub.h"
#include "daemon/session/session_table.h"
#include "daemon/session/subscription_orders.h"

namespace wayleave {

class ApiOrders {
  public:
    ApiOrders(uint32_t worker, const Bindings& bindings, const SessionTable& sessions, const Hub& hub,
              SubscriptionOrders& subscriptions, Closing& closing, ConnectionLog& log,
              std::vector<ApiOrder>& out, Counters& counters, std::mt19937_64& random)
        : worker_(worker),
          bindings_(bindings),
          sessions_(sessions),
          hub_(hub),
          subscriptions_(subscriptions),
          closing_(closing),
          log_(log),
          out_(out),
          counters_(counters),
          random_(random) {}

    // Nothing: it is under way.
    [[nodiscard]] std::optional<ApiAnswer> begin(Session& session, const ApiRequest& request,
                                                 std::string_view body, Now now);
    // How many sessions have what the request has published.
    void count(const Session& session, const ApiRequest& request);
    // At each worker; some sessions at a time, so that the others are served meanwhile.
    void carry_out(ApiOrder order, Now now);
    [[nodiscard]] ApiAnswer answer_to(const ApiOrder& order, const ApiRequest& request, Now now);

  private:
    void apply(ApiOrder& order, Session& session, Now now);
    void disconnect(const ApiOrder& order, Session& session, Now now);
    void subscribe(ApiOrder& order, Session& session, Now now);

    uint32_t worker_;
    const Bindings& bindings_;
    const SessionTable& sessions_;
    const Hub& hub_;
    SubscriptionOrders& subscriptions_;
    Closing& closing_;
    ConnectionLog& log_;
    std::vector<ApiOrder>& out_;
    Counters& counters_;
    std::mt19937_64& random_;
};

}  // namespace wayleave
