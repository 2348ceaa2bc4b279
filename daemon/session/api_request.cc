#include "daemon/session/api_request.h"

#include "daemon/session/connection_log.h"

namespace wayleave {

ApiAnswer refuse_request(ConnectionLog& log, const ApiRequest& request, Rejection rejection, Now now) {
    const dsl::Route& route = *request.binding->route;
    log.refused(request.binding->runtime->policy.get(), &route, rejection);
    log.tell_of_request(request.client, route.name, request.path, rejection, now);
    return {default_status(rejection.reason), {}, std::move(rejection)};
}

}  // namespace wayleave
