#include "daemon/session/forwarder.h"

#include <utility>

#include "daemon/decision/envelope.h"
#include "daemon/protocol/traceparent.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// Of one session that wait for their answers. What a message with `ordered` waits for is counted, too.
constexpr size_t most_messages = 64;
constexpr size_t most_forwarded_bytes = 1 << 20;  // but one message may be as large as its route permits
constexpr size_t most_bytes_of_all = 16 << 20;
constexpr size_t bytes_of_none = 1024;  // what a message costs beside its text

Reason reason_of(int status) {
    if (status == 401 || status == 403) return Reason::forbidden;
    return status == 429 ? Reason::limited : Reason::refused;
}

}  // namespace

Forwarder::Forwarder(std::string name, std::vector<BackendCall>& out, const SessionTable& sessions,
                     const Bindings& bindings, BackendOrderRunner& orders, ConnectionLog& log,
                     Replies& replies, Counters& counters, std::mt19937_64& random)
    : name_(std::move(name)),
      out_(out),
      sessions_(sessions),
      bindings_(bindings),
      orders_(orders),
      log_(log),
      replies_(replies),
      counters_(counters),
      random_(random) {}

std::optional<Rejection> Forwarder::admit(const Session& session, size_t bytes) const {
    if (bytes_ + bytes > most_bytes_of_all)
        return Rejection::of(Reason::unavailable, "too many messages wait for the servers behind this one");
    const auto it = lines_.find(session.number);
    if (it == lines_.end()) return std::nullopt;
    const Line& line = it->second;
    if (line.messages < most_messages && line.bytes + bytes <= most_forwarded_bytes) return std::nullopt;
    return Rejection::of(Reason::unavailable, "too many of your messages wait for their answers");
}

void Forwarder::forward(Session& session, const ReplyTo& re, const MessageAuthorization& judged,
                        std::string_view members, Now now) {
    const Binding& binding = *session.binding;
    Message message;
    message.from = session.id;
    message.session = session.number;
    message.re = re;
    message.backend = binding.runtime->backends.at(judged.forward->to.backend);
    message.rule = judged.forward->place;
    message.ordered = judged.block->ordered;
    message.call.number = ++calls_;
    message.call.runtime = binding.runtime;
    message.call.request.backend = message.backend;
    write(session, judged, members, message.call.request, ++session.told, now);
    message.bytes = bytes_of_none + message.call.request.body.size();
    Line& line = lines_[session.number];
    ++line.messages;
    line.bytes += message.bytes;
    bytes_ += message.bytes;
    counters_.forwarded.add();
    counters_.forward_bytes.set(bytes_);
    if (message.ordered && std::exchange(line.busy, true)) {
        line.waiting.push_back(std::move(message));
    } else {
        send(std::move(message));
    }
}

void Forwarder::write(const Session& session, const MessageAuthorization& judged, std::string_view members,
                      BackendRequest& request, uint32_t seq, Now now) {
    request.id = "msg_" + name_ + "-" + std::to_string(calls_);
    request.method = "POST";
    request.path = judged.forward_path;
    request.headers = {"Content-Type: application/json",
                       "Accept: application/json, application/wayleave+json, application/problem+json",
                       "traceparent: " + traceparent(session.trace.get(), random_)};
    const std::string number = session_text(session.number);
    const EnvelopeOf of{"message",     request.id, now.wall_ms, *session.binding->route,
                        session.facts, number,     seq,         session.shown_user()};
    std::string text = "{" + std::string(members) + "}";
    if (request.backend->body == BackendBody::message) {
        request.body = std::move(text);
        request.identity = identity_members(of);
    } else {
        request.body = envelope(of, "\"message\":" + text);
    }
}

void Forwarder::send(Message message) {
    const uint64_t number = message.call.number;
    out_.push_back(std::move(message.call));
    running_.emplace(number, std::move(message));
}

// It is not on its way any more; the next one of its session may be.
void Forwarder::finish(const Message& message) {
    bytes_ -= message.bytes;
    counters_.forward_bytes.set(bytes_);
    const auto it = lines_.find(message.session);
    if (it == lines_.end()) return;
    Line& line = it->second;
    line.bytes -= message.bytes;
    if (message.ordered) {
        line.busy = !line.waiting.empty();
        if (line.busy) {
            Message next = std::move(line.waiting.front());
            line.waiting.pop_front();
            send(std::move(next));
        }
    }
    if (--line.messages == 0) lines_.erase(it);
}

void Forwarder::answered(uint64_t call, const BackendAnswer& answered, Now now) {
    const auto it = running_.find(call);
    if (it == running_.end()) return;
    const Message message = std::move(it->second);
    running_.erase(it);
    finish(message);
    Session* session = sessions_.find(message.from);
    if (session && session->state != Session::State::open) session = nullptr;
    BackendReply reply = read_reply(answered);
    if (reply.kind == BackendReply::Kind::orders) {
        // What the backend orders for others does not depend on the client's patience.
        if (auto refused = orders_.carry_out(reply.orders, message.backend->name, session, now)) {
            reply.kind = BackendReply::Kind::unavailable;
            reply.because = "it orders what it may not: " + refused->because;
        }
    }
    if (reply.kind == BackendReply::Kind::unavailable) tell_failed(session, message, reply.because, now);
    if (session && session->state == Session::State::open) answer(*session, message, reply, now);
}

void Forwarder::answer(Session& session, const Message& message, const BackendReply& reply, Now now) {
    switch (reply.kind) {
        case BackendReply::Kind::refused:
        case BackendReply::Kind::unavailable: return refuse(session, message, reply, now);
        case BackendReply::Kind::nothing: return replies_.confirm(session, message.re, now);
        case BackendReply::Kind::reply:
        case BackendReply::Kind::orders: break;
    }
    const std::string& data = reply.kind == BackendReply::Kind::reply ? reply.reply : reply.orders.reply;
    if (data.empty()) return replies_.confirm(session, message.re, now);
    if (message.re.wanted())
        replies_.reply(session, message.re, ok_text(message.re.id, std::string_view(data)), now);
}

void Forwarder::refuse(Session& session, const Message& message, const BackendReply& reply, Now now) {
    Rejection rejection;
    rejection.rule = message.rule;
    if (reply.kind == BackendReply::Kind::unavailable) {
        rejection.reason = Reason::unavailable;
        rejection.because = "the server behind this one does not answer as it should";
    } else {
        rejection.reason = reason_of(reply.status);
        rejection.because = reply.because;
        rejection.retry_after_ms = reply.retry_after_ms;
        if (!reply.error.empty()) rejection.then = dsl::Outcome{dsl::OutcomeKind::error, 0, reply.error};
    }
    log_.set_handled({"forward", {}});
    replies_.reject(session, message.re, std::move(rejection), now);
    log_.set_handled({});
}

void Forwarder::tell_failed(const Session* session, const Message& message, const std::string& why, Now now) {
    counters_.forward_failed.add();
    const std::string& backend = message.backend->name;
    const std::string sentence = "a message could not be forwarded to the backend " + backend + ": " + why;
    Event event = session ? ConnectionLog::about(*session, "forward-failed", sentence)
                          : Event{"forward-failed", sentence};
    event.severity = Severity::warning;
    event.with("action", "forward")
        .with("reason", to_string(Reason::unavailable))
        .with("decision", decision_id(bindings_.policy(), message.rule))
        .with("rule", message.rule);
    log_.tell(std::move(event), backend, why, now);
}

}  // namespace wayleave
