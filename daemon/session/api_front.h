// The HTTP API: what an application's own servers ask for below the address of an `api`. Requests on a
// connection are answered in their order. One thread.
#pragma once

#include <optional>
#include <string>

#include "daemon/session/api_orders.h"
#include "daemon/session/api_publish.h"
#include "daemon/session/api_queries.h"
#include "daemon/session/http_admission.h"

namespace wayleave {

class ApiFront {
  public:
    ApiFront(Bindings& bindings, LimitTable& limits, HttpAdmission& admission, ApiPublish& publish,
             ApiQueries& queries, ApiOrders& orders, BanCounter& ban_counter, Outbox& outbox,
             Counters& counters);

    [[nodiscard]] bool wants(const HttpHead& head) const;
    void answer(Session& session, const HttpHead& head, Now now);
    // True if the request is done with, and another may follow. Likewise the others that say so.
    [[nodiscard]] bool read_body(Session& session, Now now);
    // The connection may be gone: null. What was published is remembered all the same.
    [[nodiscard]] bool answered(Session* session, const BrokerRequest& asked, BrokerAnswer answer, Now now);
    // The server is stopping: each connection ends with the answer that it waits for.
    void stop() { stopping_ = true; }
    [[nodiscard]] bool ordered(Session& session, const ApiOrder& order, Now now);
    void late(Session& session, Now now);  // the request did not come, or its answer
    void forget(Session& session);         // the connection is gone

  private:
    void begin(Session& session, const HttpHead& head, ApiOperation operation, Now now);
    void refuse(Session& session, const HttpHead& head, int status, const char* because,
                const std::string& headers, Now now);
    [[nodiscard]] std::optional<ApiAnswer> execute(Session& session, ApiRequest& request, Now now);
    [[nodiscard]] std::optional<ApiAnswer> order(Session& session, const ApiRequest& request, Now now);
    [[nodiscard]] std::optional<ApiAnswer> publish(Session& session, ApiRequest& request, Now now);
    // Nothing, where receivers are to be counted before it is told.
    [[nodiscard]] std::optional<ApiAnswer> counted(const Session& session, ApiRequest& request,
                                                   std::optional<ApiAnswer> answer);
    void respond(Session& session, ApiAnswer answer, Now now, bool replayed = false);
    // What becomes of the request's key.
    void remember(const ApiRequest& request, const ApiAnswer& answer);
    void fail(Session& session, int status, Reason reason, std::string because, Now now);

    Bindings& bindings_;
    LimitTable& limits_;
    HttpAdmission& admission_;
    ApiPublish& publish_;
    ApiQueries& queries_;
    ApiOrders& orders_;
    BanCounter& ban_counter_;
    Outbox& outbox_;
    Counters& counters_;
    uint64_t serial_ = 0;
    bool stopping_ = false;
};

}  // namespace wayleave
