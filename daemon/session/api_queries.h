// GET /presence, /history and /progress of an api. One thread.
#pragma once

#include <optional>

#include "daemon/message/presence.h"
#include "daemon/session/api_request.h"
#include "daemon/session/broker_requests.h"
#include "daemon/session/connection_log.h"

namespace wayleave {

class ApiQueries {
  public:
    ApiQueries(const Bindings& bindings, Broker& broker, Presence& presence, BrokerRequests& requests,
               ConnectionLog& log)
        : bindings_(bindings), broker_(broker), presence_(presence), requests_(requests), log_(log) {}

    // Nothing: the broker answers later.
    [[nodiscard]] std::optional<ApiAnswer> ask(Session& session, ApiRequest& request, Now now);
    [[nodiscard]] static ApiAnswer answered(const BrokerAnswer& answer);

  private:
    [[nodiscard]] ApiAnswer refuse(const ApiRequest& request, const char* because, Now now);
    [[nodiscard]] std::optional<ApiAnswer> expect(const Session& session, Ticket ticket,
                                                  BrokerRequest::Kind kind, Now now);
    [[nodiscard]] std::optional<ApiAnswer> history(Session& session, ApiRequest& request,
                                                   const dsl::ChannelName& channel, Now now);
    [[nodiscard]] std::optional<ApiAnswer> presence(Session& session, const dsl::ChannelName& channel,
                                                    Now now);
    [[nodiscard]] std::optional<ApiAnswer> progress(Session& session, ApiRequest& request,
                                                    const dsl::ChannelName& channel, Now now);

    const Bindings& bindings_;
    Broker& broker_;
    Presence& presence_;
    BrokerRequests& requests_;
    ConnectionLog& log_;
};

}  // namespace wayleave
