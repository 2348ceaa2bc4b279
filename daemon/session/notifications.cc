#include "daemon/session/notifications.h"

#include <algorithm>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/decision/envelope.h"
#include "daemon/protocol/traceparent.h"
#include "daemon/session/hub.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

bool tells_of(const dsl::Notify& notify, std::string_view event) {
    return std::find(notify.events.begin(), notify.events.end(), event) != notify.events.end();
}

// Not in braces.
std::string members_of(const JsonObject& object) {
    const std::string text = object.text();
    return text.substr(1, text.size() - 2);
}

}  // namespace

void Notifications::connected(Session& session, Now now) {
    if (!notices_ || session.binding->route->notifies.empty()) return;
    register_end(session, now);
    JsonArray channels;
    for (const Subscription& subscription : session.subscriptions) channels.add(subscription.channel->name);
    tell(session, "connect",
         members_of(JsonObject().add("ip", session.facts.ip.text()).add("channels", channels)), now);
}

void Notifications::rebound(Session& session, Now now) {
    if (!notices_ || session.noted || session.binding->route->notifies.empty()) return;
    register_end(session, now);
}

// For `last` all sessions of such a route are counted. One statement tells of the end that the daemon does
// not live to see: the first.
void Notifications::register_end(Session& session, Now now) {
    for (const dsl::Notify& notify : session.binding->route->notifies) {
        if (!tells_of(notify, "disconnect")) continue;
        auto lost = notice_of(session, notify, "disconnect", R"("reason":"lost")", std::nullopt, now);
        if (!lost) continue;
        lost->last = true;
        session.noted = true;
        return notices_->opened(session.number, std::move(*lost));
    }
}

void Notifications::disconnected(Session& session, Now now) {
    if (!notices_) return;
    if (session.noted) notices_->closed(session.number);
    if (session.binding->route->notifies.empty()) return;
    JsonObject end;
    end.add("reason", session.ending ? session.ending->reason : std::string("gone"));
    if (session.ending && session.ending->code != 0) end.add("code", session.ending->code);
    tell(session, "disconnect", members_of(end), now);
}

void Notifications::entered(Session& session, std::string_view channel, Now now) {
    if (!notices_ || session.binding->route->notifies.empty()) return;
    tell(session, "subscribe", members_of(JsonObject().add("channel", channel)), now);
}

void Notifications::left(Session& session, std::string_view channel, Now now) {
    if (!notices_ || session.binding->route->notifies.empty()) return;
    tell(session, "unsubscribe", members_of(JsonObject().add("channel", channel)), now);
}

void Notifications::tell(Session& session, std::string_view event, std::string_view members, Now now) {
    for (const dsl::Notify& notify : session.binding->route->notifies) {
        if (!tells_of(notify, event)) continue;
        auto notice = notice_of(session, notify, event, members, ++session.told, now);
        if (!notice) continue;
        notice->last = event == "disconnect";
        if (notice->last) notice->delay_ms = notify.after_ms;
        notices_->tell(std::move(*notice));
    }
}

std::optional<Notice> Notifications::notice_of(Session& session, const dsl::Notify& notify,
                                               std::string_view event, std::string_view members,
                                               std::optional<uint64_t> seq, Now now) {
    const Binding& binding = *session.binding;
    Notice out;
    if (!dsl::build_path(binding.route->program, notify.to, request_for(view_of(session, now)), out.path)) {
        Event told = ConnectionLog::about(
            session, "not-notified",
            "a backend is not told: a value in the path of the request is empty, or would lead elsewhere");
        told.with("action", event).with("target", notify.to.path).with("rule", notify.place);
        log_.tell(std::move(told), session.user, notify.place, now);
        return std::nullopt;
    }
    out.backend = binding.runtime->policy->backends[notify.to.backend].name;
    out.id = "evt_" + name_ + "-" + std::to_string(++told_);
    const std::string number = session_text(session.number);
    out.body = envelope(
        {event, out.id, now.wall_ms, *binding.route, session.facts, number, seq, session.shown_user()},
        members);
    out.body.pop_back();
    out.session = session.number;
    out.user = session.user;
    out.at_ms = now.wall_ms;
    out.worker = worker_;
    out.from = session.id;
    out.traceparent = traceparent(session.trace.get(), random_);
    return out;
}

}  // namespace wayleave
