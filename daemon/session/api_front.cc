#include "daemon/session/api_front.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/decision/idempotency.h"
#include "daemon/protocol/gzip.h"
#include "daemon/protocol/handshake.h"
#include "daemon/session/openapi.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t least_body = 1 << 20;  // a batch is larger than a message
constexpr size_t most_order = 64 << 10;
// A server keeps its connections for the next request, where a client's request has to be complete soon.
constexpr int64_t keep_open_ms = 60'000;

struct Operation {
    std::string_view name;
    std::string_view method;
    ApiOperation operation;
};
constexpr std::array<Operation, 8> operations{{
    {"publish", "POST", ApiOperation::publish},
    {"presence", "GET", ApiOperation::presence},
    {"history", "GET", ApiOperation::history},
    {"progress", "GET", ApiOperation::progress},
    {"disconnect", "POST", ApiOperation::disconnect},
    {"sessions", "GET", ApiOperation::sessions},
    {"subscribe", "POST", ApiOperation::subscribe},
    {"unsubscribe", "POST", ApiOperation::unsubscribe},
}};

// Of sessions, wherever they are.
bool is_order(ApiOperation operation) {
    return operation == ApiOperation::disconnect || operation == ApiOperation::sessions ||
           operation == ApiOperation::subscribe || operation == ApiOperation::unsubscribe;
}

// "publish" of "/api/publish", where the api has the address "/api"; empty if that is no path of it. What is
// deeper matches the same address that its directory matches.
std::string_view name_below(const dsl::Policy& policy, const HttpHead& head) {
    const std::string_view path = head.path;
    const size_t slash = path.rfind('/');
    const std::string above(slash == 0 ? "/" : path.substr(0, slash));
    dsl::RouteMatch whole;
    dsl::RouteMatch directory;
    const bool known = policy.api_router.find(head.authority.name, head.path, whole) &&
                       policy.api_router.find(head.authority.name, above, directory);
    const bool below = known && whole.route == directory.route && whole.address != directory.address;
    return below ? path.substr(slash + 1) : std::string_view();
}

// Its parameters say nothing here: what is read is UTF-8.
bool has_type(const HttpHead& head, std::string_view type) {
    return same_ignoring_case(media_type_of(head), type);
}

// What the policy makes of a refusal. A status of the API's own, such as 409, is not its matter.
dsl::Outcome outcome_of(const ApiRequest& request, const ApiAnswer& answer) {
    if (!answer.rejection || answer.status != default_status(answer.rejection->reason)) return {};
    return outcome_of(request.binding->route, *answer.rejection, dsl::Phase::handshake);
}

std::string problem_of(const ApiAnswer& answer, std::string_view name, bool detail) {
    const Rejection& rejection = *answer.rejection;
    const std::string_view error = name.empty() ? to_string(rejection.reason) : name;
    JsonObject out;
    out.add("type", "urn:wayleave:" + std::string(to_string(rejection.reason)))
        .add("title", reason_phrase(answer.status))
        .add("status", answer.status)
        .add("error", error)
        .add_if_any("detail", rejection.because)
        .add_if_any("rule", detail ? rejection.rule : std::string_view())
        .add_if_any("decision", rejection.decision);
    if (rejection.retry_after_ms > 0) out.add("retry_after", (rejection.retry_after_ms + 999) / 1000);
    if (!answer.errors.empty()) out.raw("errors", answer.errors);
    return out.text();
}

std::string digest_of(std::string_view body) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(),
           reinterpret_cast<unsigned char*>(out.data()));
    return out;
}

// Of a body: what stands around the data has room, too.
size_t most_of(const dsl::Route& route) {
    return std::max(least_body, size_t{route.max_message} + most_order);
}

// Whose key it is: of one user of one api.
std::string scope_of(const ApiRequest& request) {
    return request.binding->route->name + '\0' + request.path + '\0' + request.admitted.user;
}

}  // namespace

ApiFront::ApiFront(Bindings& bindings, LimitTable& limits, HttpAdmission& admission, ApiPublish& publish,
                   ApiQueries& queries, ApiOrders& orders, BanCounter& ban_counter, Outbox& outbox,
                   Counters& counters)
    : bindings_(bindings),
      limits_(limits),
      admission_(admission),
      publish_(publish),
      queries_(queries),
      orders_(orders),
      ban_counter_(ban_counter),
      outbox_(outbox),
      counters_(counters) {}

bool ApiFront::wants(const HttpHead& head) const {
    dsl::RouteMatch match;
    return bindings_.policy().api_router.find(head.authority.name, head.path, match);
}

// --- the request ---

void ApiFront::refuse(Session& session, const HttpHead& head, int status, const char* because,
                      const std::string& headers, Now now) {
    const Reason reason = status == 404   ? Reason::unknown_route
                          : status == 413 ? Reason::too_big
                                          : Reason::bad_request;
    admission_.refuse_request(session, head, status, Rejection::of(reason, because), headers, now);
}

// What can be refused by the head is refused before the body comes.
void ApiFront::answer(Session& session, const HttpHead& head, Now now) {
    const std::string_view name = name_below(bindings_.policy(), head);
    if (name == "openapi.json" && head.method == "GET") {
        counters_.api_requests.add();
        outbox_.send_last(session, http_response(200, "application/json", openapi_document(), "", false));
        return;
    }
    const auto* const known = std::find_if(operations.begin(), operations.end(),
                                           [&](const Operation& one) { return one.name == name; });
    if (known == operations.end())
        return refuse(session, head, 404, "the api has no such operation", "", now);
    if (head.method != known->method)
        return refuse(session, head, 405, "the operation has another method",
                      "Allow: " + std::string(known->method) + "\r\n", now);
    if (known->method == "POST") {
        const bool lines =
            known->operation == ApiOperation::publish && has_type(head, "application/x-ndjson");
        if (!has_type(head, "application/json") && !lines)
            return refuse(session, head, 415,
                          "a body is application/json, or of publish application/x-ndjson", "", now);
        const std::string_view coding = head.field("content-encoding");
        if (head.count("content-encoding") > 1 || (!coding.empty() && !same_ignoring_case(coding, "gzip") &&
                                                   !same_ignoring_case(coding, "identity")))
            return refuse(session, head, 415, "a body comes as it is or with gzip", "", now);
    }
    if (const auto wrong = check_body_head(head, known->method == "POST"))
        return refuse(session, head, wrong->status, wrong->because, "", now);
    const size_t keys = head.count("idempotency-key");
    const size_t key_size = head.field("idempotency-key").size();
    if (keys > 1 || key_size > IdempotencyTable::longest_key || (keys == 1 && key_size == 0))
        return refuse(session, head, 400, "Idempotency-Key is one text of 1 to 255 bytes", "", now);
    begin(session, head, known->operation, now);
}

void ApiFront::begin(Session& session, const HttpHead& head, ApiOperation operation, Now now) {
    const auto [client, upgrade] = admission_.asking_of(session, head, now);
    auto admitted = admission_.admit_connection(session, client, head, upgrade, AdmissionKind::api, "", now);
    if (!admitted) return;
    const bool publishes = operation == ApiOperation::publish;
    const size_t most = publishes ? most_of(*admitted->route) : head.method == "POST" ? most_order : 0;
    if (head.content_length.value_or(0) > most) {
        for (const std::string& key : admitted->entered) limits_.leave(key);
        return refuse(session, head, 413, "the body is larger than a request may be here", "", now);
    }
    const auto length = head.chunked ? std::nullopt : std::optional(head.content_length.value_or(0));
    auto request = std::make_shared<ApiRequest>(std::move(*admitted), BodyReader(length, most));
    request->binding = bindings_.bind(*request->admitted.route, request->admitted.answers);
    request->number = session.number;
    request->serial = ++serial_;
    request->operation = operation;
    request->path = head.path;
    request->query = head.query;
    request->client = client.ip;
    request->gzip = same_ignoring_case(head.field("content-encoding"), "gzip");
    request->lines = has_type(head, "application/x-ndjson");
    request->keep_alive = head.keep_alive;
    if (publishes) request->key = head.field("idempotency-key");
    session.publishes |= publishes;
    session.handshaking->most_ahead = Handshaking{}.most_ahead + most;
    const bool waits = waits_for_continue(session, head);
    session.handshaking->api = std::move(request);
    if (waits) outbox_.queue(session, framed("HTTP/1.1 100 Continue\r\n\r\n"));
}

bool ApiFront::read_body(Session& session, Now now) {
    ApiRequest& request = *session.handshaking->api;
    std::string& buffer = session.handshaking->bytes;
    if (request.sent) {
        if (buffer.size() > session.handshaking->most_ahead)
            fail(session, 400, Reason::bad_request, "too much was sent before the request was answered", now);
        return false;
    }
    std::string_view rest = buffer;
    const BodyReader::State state = request.body.read(rest);
    buffer.erase(0, buffer.size() - rest.size());
    if (state == BodyReader::State::reading) return false;
    if (state == BodyReader::State::refused) {
        const Reason reason = request.body.status() == 413 ? Reason::too_big : Reason::bad_request;
        fail(session, request.body.status(), reason, std::string(request.body.reason()), now);
        return false;
    }
    counters_.api_requests.add();
    request.sent = true;
    session.opened_ms = now.steady_ms;  // the answer has a deadline of its own
    auto answer = execute(session, request, now);
    if (answer) respond(session, std::move(*answer), now);
    return !session.handshaking->api && !session.last_bytes && !session.abort_listed;
}

// --- what it asks for ---

std::optional<ApiAnswer> ApiFront::execute(Session& session, ApiRequest& request, Now now) {
    if (request.binding->runtime != bindings_.shared()) {
        request.keep_alive = false;
        return ApiAnswer{503,
                         {},
                         Rejection::of(Reason::unavailable,
                                       "the policy has changed while the request came; send it again")};
    }
    if (is_order(request.operation)) return order(session, request, now);
    if (request.operation != ApiOperation::publish) return queries_.ask(session, request, now);
    if (request.key.empty() || !bindings_.runtime().idempotency) return publish(session, request, now);
    auto begun = bindings_.runtime().idempotency->begin(scope_of(request), request.key,
                                                        digest_of(request.body.body()), now.steady_ms);
    if (auto* known = std::get_if<IdempotencyTable::Known>(&begun)) {
        counters_.api_replayed.add();
        respond(session, {std::stoi(known->answer.substr(0, 3)), known->answer.substr(3)}, now, true);
        return std::nullopt;
    }
    if (std::holds_alternative<IdempotencyTable::Running>(begun))
        return ApiAnswer{
            409, {}, Rejection::of(Reason::limited, "the first request with this key is not answered yet")};
    if (std::holds_alternative<IdempotencyTable::Other>(begun))
        return ApiAnswer{
            422, {}, Rejection::of(Reason::bad_request, "this Idempotency-Key was another request's")};
    request.remembered = true;
    return publish(session, request, now);
}

std::optional<ApiAnswer> ApiFront::order(Session& session, const ApiRequest& request, Now now) {
    if (!request.gzip) return orders_.begin(session, request, request.body.body(), now);
    const Gunzipped body = gunzip(request.body.body(), most_order);
    if (body.error)
        return ApiAnswer{400, {}, Rejection::of(Reason::bad_request, "the body is no gzip that can be read")};
    return orders_.begin(session, request, body.text, now);
}

bool ApiFront::ordered(Session& session, const ApiOrder& order, Now now) {
    if (!session.handshaking || !session.handshaking->api) return false;
    if (session.last_bytes || session.abort_listed || session.handshaking->api->serial != order.serial)
        return false;
    ApiRequest& request = *session.handshaking->api;
    if (order.kind == ApiOrder::Kind::count) {
        request.receivers = order.receivers;
        respond(session, ApiPublish::answer_of(request), now);
    } else {
        respond(session, orders_.answer_to(order, request, now), now);
    }
    return !session.last_bytes;
}

std::optional<ApiAnswer> ApiFront::publish(Session& session, ApiRequest& request, Now now) {
    if (!request.gzip)
        return counted(session, request, publish_.publish(session, request, request.body.body(), now));
    const size_t most = most_of(*request.binding->route);
    const Gunzipped body = gunzip(request.body.body(), most);
    if (body.error == GunzipError::too_big)
        return ApiAnswer{
            413, {}, Rejection::of(Reason::too_big, "the body is larger than a request may be here")};
    if (body.error)
        return ApiAnswer{400, {}, Rejection::of(Reason::bad_request, "the body is no gzip that can be read")};
    return counted(session, request, publish_.publish(session, request, body.text, now));
}

std::optional<ApiAnswer> ApiFront::counted(const Session& session, ApiRequest& request,
                                           std::optional<ApiAnswer> answer) {
    if (!answer || request.receivers.empty() || !request.asked) return answer;
    request.counting = true;
    orders_.count(session, request);
    return std::nullopt;
}

bool ApiFront::answered(Session* session, const BrokerRequest& asked, BrokerAnswer answer, Now now) {
    ApiRequest& request = *asked.api;
    std::optional<ApiAnswer> out;
    if (asked.kind == BrokerRequest::Kind::publish) {
        auto* receipt = std::get_if<Receipt>(&answer);
        out = publish_.published(request, asked.api_index, receipt ? std::move(*receipt) : Receipt{});
    } else {
        out = ApiQueries::answered(answer);
    }
    if (!out) return false;
    const bool waits = session && session->handshaking && session->handshaking->api == asked.api;
    if (!waits || session->last_bytes || session->abort_listed) {
        remember(request, *out);
        return false;
    }
    out = counted(*session, request, std::move(out));
    if (!out) return false;
    respond(*session, std::move(*out), now);
    return !session->last_bytes && !session->abort_listed;
}

// --- the answer ---

void ApiFront::respond(Session& session, ApiAnswer answer, Now now, bool replayed) {
    const auto request = std::move(session.handshaking->api);
    for (const std::string& key : request->admitted.entered) limits_.leave(key);
    request->admitted.places.clear();
    // What the broker has and has not answered yet is remembered when it answers.
    if (!request->asked || request->waiting == 0) remember(*request, answer);
    if (stopping_) request->keep_alive = false;
    if (answer.rejection) {
        const ConnectionView view = request->view();
        (void)ban_counter_.count_refusal(view.policy, view.route, request_for(view),
                                         {true, request->admitted.user, request->admitted.nameless},
                                         answer.rejection->reason, now);
    }
    const dsl::Outcome outcome = outcome_of(*request, answer);
    if (outcome.kind == dsl::OutcomeKind::drop) return outbox_.abort(session);
    if (outcome.kind == dsl::OutcomeKind::status) answer.status = outcome.code;
    std::string headers = replayed ? "Idempotency-Replayed: true\r\n" : "";
    if (answer.rejection && answer.rejection->retry_after_ms > 0)
        headers += "Retry-After: " + std::to_string((answer.rejection->retry_after_ms + 999) / 1000) + "\r\n";
    else if (answer.status == 503)
        headers += "Retry-After: 1\r\n";
    const bool problem = answer.rejection.has_value();
    std::string response = http_response(
        answer.status, problem ? "application/problem+json" : "application/json",
        problem ? problem_of(answer, outcome.name, request->binding->route->detail) : answer.body, headers,
        request->keep_alive);
    if (!request->keep_alive) return outbox_.send_last(session, std::move(response));
    outbox_.queue(session, framed(std::move(response)));
    session.opened_ms = now.steady_ms + keep_open_ms - bindings_.settings().handshake_timeout_ms;
    session.handshaking->kept_open = true;
}

// Once the broker has some of it, a repetition would publish that again: it gets this answer, whatever it is.
void ApiFront::remember(const ApiRequest& request, const ApiAnswer& answer) {
    if (!request.remembered) return;
    IdempotencyTable& table = *bindings_.runtime().idempotency;
    const bool kept = std::any_of(request.receipts.begin(), request.receipts.end(),
                                  [](const Receipt& receipt) { return receipt.because.empty(); });
    if (request.asked && kept) {
        const int status = answer.status;
        table.finish(scope_of(request), request.key, std::to_string(status) + answer.body);
    } else {
        table.forget(scope_of(request), request.key);
    }
}

// It is not known any more where the next request would begin.
void ApiFront::fail(Session& session, int status, Reason reason, std::string because, Now now) {
    session.handshaking->api->keep_alive = false;
    counters_.refuse(reason);
    respond(session, {status, {}, Rejection::of(reason, std::move(because))}, now);
}

void ApiFront::late(Session& session, Now now) {
    const ApiRequest& request = *session.handshaking->api;
    if (request.counting) return respond(session, ApiPublish::answer_of(request), now);
    const bool asked = request.sent;
    fail(session, asked ? 503 : 408, asked ? Reason::unavailable : Reason::idle,
         asked ? "the request was not answered in time" : "the request was not complete in time", now);
}

void ApiFront::forget(Session& session) {
    if (!session.handshaking || !session.handshaking->api) return;
    const auto request = std::move(session.handshaking->api);
    if (request->counting) remember(*request, ApiPublish::answer_of(*request));
    for (const std::string& key : request->admitted.entered) limits_.leave(key);
    request->admitted.places.clear();
}

}  // namespace wayleave
