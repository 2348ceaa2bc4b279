// A request of an application's own server at an `api`, from its head to its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/decision/admission.h"
#include "daemon/decision/connection_view.h"
#include "daemon/message/api_body.h"
#include "daemon/message/broker.h"
#include "daemon/protocol/http_body.h"
#include "daemon/session/session.h"

namespace wayleave {

class ConnectionLog;

enum class ApiOperation : uint8_t {
    publish,
    presence,
    history,
    progress,
    disconnect,
    sessions,
    subscribe,
    unsubscribe
};

struct ApiRequest {
    ApiRequest(Admitted admitted_in, BodyReader body_in)
        : admitted(std::move(admitted_in)), body(std::move(body_in)) {}

    Admitted admitted;
    std::shared_ptr<const Binding> binding;  // to the api, as to a route
    uint64_t number = 0;                     // of the session that it came on
    uint64_t serial = 0;                     // its own, never 0
    ApiOperation operation = ApiOperation::publish;
    std::string path;
    std::string query;
    dsl::Address client = {};
    BodyReader body;
    bool gzip = false;
    bool lines = false;  // application/x-ndjson
    bool keep_alive = true;
    bool sent = false;        // the broker is asked
    std::string key;          // Idempotency-Key
    bool remembered = false;  // the key is known to be this request's

    // Of a publication.
    bool list = false;  // the answer is a list
    size_t draft_bytes = 0;
    std::vector<Receipt> receipts;
    size_t waiting = 0;  // for so many
    bool asked = false;  // the broker may have it: whatever the client is told, it may be published
    std::vector<Receivers> receivers;  // that are asked for
    bool counting = false;             // it is published, and they are counted

    [[nodiscard]] ConnectionView view() const {
        return {*binding->runtime->policy, *binding->route, admitted.facts, binding->residual, number};
    }
};

struct ApiAnswer {
    int status = 200;
    std::string body = {};                    // JSON
    std::optional<Rejection> rejection = {};  // instead of a body: a problem (RFC 9457)
    std::string errors = {};                  // of a problem: what is wrong with which item, as JSON
};

// Counts and tells of it.
[[nodiscard]] ApiAnswer refuse_request(ConnectionLog& log, const ApiRequest& request, Rejection rejection,
                                       Now now);

}  // namespace wayleave
