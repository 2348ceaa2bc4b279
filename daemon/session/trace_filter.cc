#include "daemon/session/trace_filter.h"

#include "daemon/session/native.h"

namespace wayleave {

// Who asks leaves the directory out, as decisions do.
bool is_place(std::string_view rule, std::string_view place) {
    if (rule.find('/') == std::string_view::npos) place.remove_prefix(place.rfind('/') + 1);
    if (place.empty() || !place.starts_with(rule)) return false;
    return place.size() == rule.size() || place[rule.size()] == ':';
}

bool TraceFilter::may_fit(const Subject& subject) const {
    if (!who.empty() && who != subject.user && who != subject.route && parse_session(who) != subject.session)
        return false;
    if (!user.empty() && user != subject.user) return false;
    if (!route.empty() && route != subject.route) return false;
    return !session || *session == subject.session;
}

bool TraceFilter::fits(const Subject& subject) const {
    return may_fit(subject) && (rule.empty() || is_place(rule, subject.rule));
}

}  // namespace wayleave
