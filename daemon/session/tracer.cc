#include "daemon/session/tracer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "daemon/session/connection_log.h"
#include "daemon/session/hub.h"

namespace wayleave {
namespace {

// A turn; what is refused has its own room in the same list.
constexpr size_t most_traced_events = 128;

TraceFilter::Subject subject_of(const Session& session) {
    return {session.shown_user(), session.binding ? session.binding->route->name : std::string_view(),
            session.number};
}

}  // namespace

void Tracer::put(Event event) {
    if (out_.size() >= most_traced_events) {
        ++missed_;
        return lost_.add();
    }
    if (missed_ > 0) event.with("missed", std::to_string(std::exchange(missed_, 0)));
    event.traced = true;
    out_.push_back(std::move(event));
}

bool Tracer::watches(const Session& session) const {
    if (!session.binding) return false;
    const TraceFilter::Subject subject = subject_of(session);
    return std::any_of(filters_->begin(), filters_->end(), [&](const TraceFilter& filter) {
        return filter.rule.empty() && filter.may_fit(subject);
    });
}

void Tracer::tell(const Event& event, const TraceFilter::Subject& subject) {
    const bool wanted = std::any_of(filters_->begin(), filters_->end(),
                                    [&](const TraceFilter& filter) { return filter.fits(subject); });
    if (wanted) put(event);
}

void Tracer::received(const Session& session, std::string_view action, std::string_view target,
                      size_t bytes) {
    if (!watches(session)) return;
    Event event = ConnectionLog::about(session, "message-received", std::string(action) + " received");
    event.with("action", action).with("target", target.substr(0, longest_logged_target));
    put(std::move(event.with("bytes", std::to_string(bytes))));
}

void Tracer::delivered(const Channel& channel, std::span<const Publication> publications) {
    for (const Subscriber& subscriber : channel.subscribers) {
        const Session& session = *subscriber.session;
        if (!watches(session)) continue;
        for (const Publication& publication : publications) {
            if (session.number == publication->except) continue;
            put_delivery(session, channel, publication, "delivered");
        }
    }
}

void Tracer::replayed(const Session& session, const Channel& channel, const Publication& publication) {
    if (watches(session)) put_delivery(session, channel, publication, "replayed");
}

void Tracer::streamed(const Session& session, std::string_view stream, size_t bytes) {
    if (!watches(session)) return;
    Event event = ConnectionLog::about(session, "streamed", "streamed");
    event.with("action", "stream").with("target", stream);
    put(std::move(event.with("bytes", std::to_string(bytes))));
}

void Tracer::put_delivery(const Session& session, const Channel& channel, const Publication& publication,
                          std::string_view what) {
    Event event = ConnectionLog::about(session, what, std::string(what));
    // A name that is secret may stand in that of a mailbox.
    const bool hidden =
        session.nameless && !session.user.empty() && channel.name.find(session.user) != std::string::npos;
    event.with("action", "deliver").with("target", channel.name, hidden);
    if (publication->position.epoch != 0) event.with("offset", std::to_string(publication->position.offset));
    put(std::move(event.with("bytes", std::to_string(publication->frame.bytes().size()))));
}

}  // namespace wayleave
