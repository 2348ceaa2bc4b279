// POST /publish of an api: all is judged first, and nothing is published if one of it is refused. One thread.
#pragma once

#include <memory>
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
    // When the broker has answered all of it.
    [[nodiscard]] static ApiAnswer answer_of(const ApiRequest& request);

  private:
    // What is wrong with an item, of the list in the body.
    struct Wrong {
        size_t index = 0;
        Rejection rejection;
    };
    // What is judged of a request. A batch draws from no limit before all of it is known to be good.
    struct Judging {
        std::vector<Draft> drafts;
        struct Cost {
            size_t item = 0;
            int64_t bytes = 0;
        };
        std::vector<Cost> costs;              // of each draft
        std::unique_ptr<LimitTable> scratch;  // of a batch
        std::vector<Wrong> wrong;
    };
    void judge(ApiRequest& request, const std::string& item, size_t index, Now now, Judging& judging);
    [[nodiscard]] std::optional<Rejection> judge_channel(ApiRequest& request, const std::string& channel,
                                                         const MessageParser::Message& item, size_t index,
                                                         Now now, Judging& judging);
    void draw(const ApiRequest& request, Now now, Judging& judging);
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
