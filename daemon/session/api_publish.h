// POST /publish of an api: all is judged first, and nothing is published if one of it is refused. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/client_message.h"
#include "daemon/session/api_request.h"
#include "daemon/session/broker_requests.h"
#include "daemon/session/connection_log.h"

namespace wayleave {

class LimitTable;

class ApiPublish {
  public:
    // `name` is of this worker in this run of the daemon: see Publisher.
    ApiPublish(std::string name, const Bindings& bindings, LimitTable& limits, Broker& broker,
               BrokerRequests& requests, ConnectionLog& log, Counters& counters);

    // Nothing: the broker answers later.
    [[nodiscard]] std::optional<ApiAnswer> publish(Session& session, ApiRequest& request,
                                                   std::string_view body, Now now);
    [[nodiscard]] std::optional<ApiAnswer> published(ApiRequest& request, size_t index, Receipt receipt);

  private:
    // What is wrong with an item, of the list in the body.
    struct Wrong {
        size_t index = 0;
        Rejection rejection;
    };
    void judge(ApiRequest& request, const std::string& item, size_t index, Now now,
               std::vector<Draft>& drafts, std::vector<Wrong>& wrong);
    [[nodiscard]] std::optional<Rejection> judge_channel(ApiRequest& request, const std::string& channel,
                                                         const MessageParser::Message& item, Now now,
                                                         std::vector<Draft>& drafts);
    [[nodiscard]] ApiAnswer refuse(const ApiRequest& request, std::vector<Wrong> wrong, Now now);

    std::string name_;
    const Bindings& bindings_;
    LimitTable& limits_;
    Broker& broker_;
    BrokerRequests& requests_;
    ConnectionLog& log_;
    Counters& counters_;
    MessageParser parser_;
    uint64_t publications_ = 0;
};

}  // namespace wayleave
