#include "daemon/session/api_orders.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/decision/authorize.h"
#include "daemon/protocol/http_head.h"
#include "daemon/session/gateway.h"
#include "daemon/session/native.h"
#include "dsl/policy/describe.h"
#include "dsl/text/result.h"

namespace wayleave {
namespace {

constexpr size_t looked_at_once = 4096;
constexpr size_t subscribed_at_once = 100;  // each may read its channel's history
constexpr size_t most_listed = 1000;
constexpr size_t longest_because = 120;  // a close frame holds 123 bytes
constexpr uint16_t not_welcome = 4403;
constexpr uint16_t come_again = 1012;

// RFC 6455 7.4: those of the protocol are not the application's to send, but for a normal end.
bool may_be_sent(uint64_t code) {
    return code == 1000 || (code >= 3000 && code <= 4999);
}

// `{"name": "sid", "value": "…"}`
std::optional<std::string> read_claim(simdjson::dom::element member, ApiOrder& order) {
    constexpr const char* wrong = "`claim` is an object of `name` and `value`, a text, a number or a boolean";
    simdjson::dom::object object;
    std::string_view name;
    simdjson::dom::element value;
    if (member.get(object) != simdjson::SUCCESS || object.size() != 2 ||
        object["name"].get(name) != simdjson::SUCCESS || object["value"].get(value) != simdjson::SUCCESS ||
        name.empty())
        return wrong;
    order.claim = name;
    switch (value.type()) {
        case simdjson::dom::element_type::STRING:
            order.value = std::string(std::string_view(value));
            return std::nullopt;
        case simdjson::dom::element_type::INT64: order.value = int64_t{value}; return std::nullopt;
        case simdjson::dom::element_type::DOUBLE: order.value = double{value}; return std::nullopt;
        case simdjson::dom::element_type::BOOL: order.value = bool{value}; return std::nullopt;
        default: return wrong;
    }
}

// A set has it as an element. A date and the like are compared as they are written.
bool is_value(const dsl::Value& held, dsl::Type type, const dsl::Scalar& wanted) {
    if (const auto* list = std::get_if<std::vector<dsl::Scalar>>(&held.held)) {
        return std::any_of(list->begin(), list->end(), [&](const dsl::Scalar& one) {
            return is_value(dsl::to_value(one), {type.kind, dsl::Shape::one}, wanted);
        });
    }
    if (held == dsl::to_value(wanted)) return true;
    const auto* text = std::get_if<std::string>(&wanted);
    return text && type.kind != dsl::Kind::string && dsl::print(held, type) == *text;
}

bool has_claim(const Session& session, const std::string& claim, const dsl::Scalar& wanted) {
    const auto& facts = session.facts;
    const std::string name = "user." + claim;
    for (size_t i = 0; i < facts.shape->facts.size(); ++i) {
        const auto& fact = facts.shape->facts[i];
        if (fact.name == name) return is_value(facts.values[i], fact.type, wanted);
    }
    return false;
}

bool is_meant(const Session& session, const ApiOrder& order) {
    if (session.state != Session::State::open) return false;
    if (order.session != 0) return session.number == order.session;
    if (!order.claim.empty()) return has_claim(session, order.claim, order.value);
    return session.user == order.user;
}

std::optional<std::string> read_session(std::string_view text, ApiOrder& order) {
    const auto number = parse_session(text);
    if (!number) return "`session` is the session of a `$hello`";
    order.session = *number;
    return std::nullopt;
}

// Why not, or nothing.
std::optional<std::string> read_whom(std::string_view key, std::string_view text, ApiOrder& order) {
    if (key == "session") return read_session(text, order);
    order.user = text;
    return std::nullopt;
}

std::optional<std::string> read_member(std::string_view key, simdjson::dom::element value, ApiOrder& order) {
    std::string_view text;
    uint64_t code = 0;
    if (key == "code") {
        if (value.get(code) != simdjson::SUCCESS || !may_be_sent(code))
            return "`code` is 1000, or from 3000 to 4999";
        order.code = static_cast<uint16_t>(code);
        return std::nullopt;
    }
    if (key == "claim") return read_claim(value, order);
    if (key == "reconnect")
        return value.get(order.reconnect) == simdjson::SUCCESS
                   ? std::nullopt
                   : std::optional("`reconnect` is true or false");
    if (key != "user" && key != "session" && key != "because")
        return "there is no member `" + std::string(key) + "`";
    if (value.get(text) != simdjson::SUCCESS || text.empty()) return "`" + std::string(key) + "` is a text";
    if (key != "because") return read_whom(key, text, order);
    if (text.size() > longest_because) return "`because` has at most 120 bytes";
    order.because = text;
    return std::nullopt;
}

std::optional<std::string> read_disconnect(std::string_view body, ApiOrder& order) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS)
        return "the body is no JSON object that can be read";
    for (const auto& [key, value] : object)
        if (auto wrong = read_member(key, value, order)) return wrong;
    const int named =
        (order.user.empty() ? 0 : 1) + (order.session == 0 ? 0 : 1) + (order.claim.empty() ? 0 : 1);
    if (named != 1) return "either `user`, `session` or `claim` says whom";
    if (order.code == 0) order.code = order.reconnect ? come_again : not_welcome;
    return std::nullopt;
}

std::optional<std::string> read_subscription(std::string_view body, ApiOrder& order) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS)
        return "the body is no JSON object that can be read";
    bool named = false;
    for (const auto& [key, value] : object) {
        std::string_view text;
        if (key != "user" && key != "session" && key != "channel")
            return "there is no member `" + std::string(key) + "`";
        if (value.get(text) != simdjson::SUCCESS || text.empty())
            return "`" + std::string(key) + "` is a text";
        if (key != "channel") {
            if (auto wrong = read_whom(key, text, order)) return wrong;
            continue;
        }
        if (!dsl::split_channel(text)) return dsl::no_channel(text);
        if (named) return "`channel` stands twice";
        order.channel = text;
        named = true;
    }
    if (!named) return "`channel` is missing";
    if (order.user.empty() == (order.session == 0)) return "either `user` or `session` says whom";
    return std::nullopt;
}

std::optional<std::string> read_list(std::string_view query, ApiOrder& order) {
    const auto user = query_value(query, "user");
    if (!user || user->empty()) return "the parameter `user` names a user";
    order.user = *user;
    return std::nullopt;
}

ApiOrder::Kind kind_of(ApiOperation operation) {
    switch (operation) {
        case ApiOperation::sessions: return ApiOrder::Kind::list;
        case ApiOperation::subscribe: return ApiOrder::Kind::subscribe;
        case ApiOperation::unsubscribe: return ApiOrder::Kind::unsubscribe;
        default: return ApiOrder::Kind::disconnect;
    }
}

bool is_subscription(ApiOrder::Kind kind) {
    return kind == ApiOrder::Kind::subscribe || kind == ApiOrder::Kind::unsubscribe;
}

std::string described(const Session& session, Now now) {
    return JsonObject()
        .add("session", session_text(session.number))
        .add("user", session.user)
        .add("route", session.binding->route->name)
        .add("ip", session.peer.ip.text())
        .add("seconds", (now.steady_ms - session.opened_ms) / 1000)
        .add("channels", session.subscriptions.size())
        .text();
}

}  // namespace

std::optional<ApiAnswer> ApiOrders::begin(Session& session, const ApiRequest& request, std::string_view body,
                                          Now now) {
    ApiOrder order;
    order.kind = kind_of(request.operation);
    const bool subscription = is_subscription(order.kind);
    // Whether he may is asked about the channel; without one there is nothing to ask about.
    auto wrong = subscription ? read_subscription(body, order) : std::nullopt;
    if (wrong) return refuse_request(log_, request, bad_message(std::move(*wrong)), now);
    const ConnectionView view = request.view();
    dsl::Request asked = request_for(view);
    const auto channel = subscription ? dsl::split_channel(order.channel) : std::nullopt;
    if (channel) asked.channel = &*channel;
    Authorization judged =
        authorize(view, subscription ? view.route.subscribe : view.route.disconnect, asked);
    if (judged.rejection) return refuse_request(log_, request, std::move(*judged.rejection), now);
    if (order.kind == ApiOrder::Kind::list) wrong = read_list(request.query, order);
    if (order.kind == ApiOrder::Kind::disconnect) wrong = read_disconnect(body, order);
    if (wrong) return refuse_request(log_, request, bad_message(std::move(*wrong)), now);
    order.serial = request.serial;
    order.worker = worker_;
    order.from = session.id;
    if (order.session != 0) order.next = Gateway::worker_of(order.session);
    out_.push_back(std::move(order));
    return std::nullopt;
}

void ApiOrders::count(const Session& session, const ApiRequest& request) {
    ApiOrder order;
    order.kind = ApiOrder::Kind::count;
    order.serial = request.serial;
    order.worker = worker_;
    order.from = session.id;
    order.receivers = request.receivers;
    out_.push_back(std::move(order));
}

void ApiOrders::carry_out(ApiOrder order, Now now) {
    if (order.kind == ApiOrder::Kind::count) {
        for (Receivers& one : order.receivers) one.sessions += receivers_in(hub_, one);
        ++order.next;
        return out_.push_back(std::move(order));
    }
    size_t subscribed = 0;
    const auto look = [&](Session& session) {
        if (!is_meant(session, order)) return true;
        if (order.kind == ApiOrder::Kind::list && order.sessions < most_listed) {
            if (!order.listed.empty()) order.listed += ',';
            order.listed += described(session, now);
        }
        if (is_subscription(order.kind)) ++subscribed;
        apply(order, session, now);
        return true;
    };
    bool all = false;
    for (size_t looked = 0; !all && looked < looked_at_once && subscribed < subscribed_at_once; ++looked)
        all = sessions_.visit(order.place, 1, look);
    if (all) {
        order.place = 0;
        ++order.next;
        order.done = order.session != 0;
    }
    out_.push_back(std::move(order));
}

void ApiOrders::apply(ApiOrder& order, Session& session, Now now) {
    if (is_subscription(order.kind)) return subscribe(order, session, now);
    ++order.sessions;
    if (order.kind == ApiOrder::Kind::disconnect) disconnect(order, session, now);
}

// Counts those that are in the channel, or have left it.
void ApiOrders::subscribe(ApiOrder& order, Session& session, Now now) {
    const bool enters = order.kind == ApiOrder::Kind::subscribe;
    if (session.binding->route->dialect != dsl::Dialect::native) return;
    if (!enters && !subscriptions_.keys_of(session, order.channel)) return;
    SubscriptionOrder wanted;
    (enters ? wanted.enter : wanted.leave).push_back(order.channel);
    auto rejection = subscriptions_.apply(session, wanted, now);
    if (!rejection) {
        ++order.sessions;
    } else if (rejection->reason != Reason::unavailable) {  // who ends is not there any more
        ++order.refused;
        rejection->then.reset();  // how a client would be refused is nothing to an application's server
        if (!order.because_not) order.because_not = std::move(rejection);
    }
}

void ApiOrders::disconnect(const ApiOrder& order, Session& session, Now now) {
    counters_.api_disconnected.add();
    const int64_t back_ms = order.reconnect ? static_cast<int64_t>(500 + random_() % 1500) : -1;
    closing_.close(session, {order.code, "disconnected", order.because, back_ms}, now);
}

ApiAnswer ApiOrders::answer_to(const ApiOrder& order, const ApiRequest& request, Now now) {
    if (order.sessions == 0 && order.because_not)
        return refuse_request(log_, request, *order.because_not, now);
    JsonObject out;
    if (order.kind == ApiOrder::Kind::list)
        out.raw("sessions", "[" + order.listed + "]").add("total", order.sessions);
    else
        out.add("sessions", order.sessions);
    if (order.refused > 0) out.add("refused", order.refused);
    return {200, out.text()};
}

}  // namespace wayleave
