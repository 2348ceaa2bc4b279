#include "daemon/session/message_guard.h"

namespace wayleave {

bool MessageGuard::allowed(Session& session, std::string_view action, dsl::RootId dsl::Route::*root,
                           const dsl::Request& request, const ReplyTo& re, Now now) {
    const Authorization judged = authorize(view_of(session), session.binding->route->*root, request);
    shadow_.decision(session, action, request.channel ? request.channel->text : std::string_view(), root,
                     request, judged, now);
    if (judged.rejection) replies_.reject(session, re, *judged.rejection, now);
    return judged.allowed();
}

bool MessageGuard::within_limits(Session& session, const dsl::Request& request, const ReplyTo& re, Now now) {
    const auto rejection =
        draw_messages(view_of(session), session.binding->route->limits, request, limits_, now);
    if (rejection) replies_.reject(session, re, *rejection, now);
    return !rejection;
}

}  // namespace wayleave
