#include "daemon/decision/authorize.h"

#include <utility>

#include "daemon/decision/admission.h"

namespace wayleave {
namespace {

MessageAuthorization refused(MessageAuthorization out, Rejection rejection) {
    out.rejection = std::move(rejection);
    return out;
}

}  // namespace

Authorization authorize(const View& view, dsl::RootId decision, const dsl::Request& request) {
    Authorization out;
    out.judged = true;
    out.verdict =
        dsl::decide(view.route.program, view.residual.nodes, view.residual.roots[decision], request);
    if (!allows(view.route, out.verdict)) out.rejection = rejected_by(view.route, out.verdict);
    return out;
}

std::optional<Rejection> draw_messages(const View& view, const std::vector<dsl::Limit>& list,
                                       const dsl::Request& request, LimitTable& limits, Now now) {
    for (const dsl::Limit& limit : list) {
        const bool bytes = limit.meter == dsl::Meter::bytes;
        if (!bytes && limit.meter != dsl::Meter::messages) continue;
        const int64_t cost = bytes ? request.message_size : 1;
        if (auto rejection = draw(view.route.program, limit, request, limits, now, cost)) return rejection;
    }
    return std::nullopt;
}

MessageAuthorization authorize_message(const View& view, const MessageParser::Message& message,
                                       dsl::Request& request, LimitTable& limits, Now now) {
    MessageAuthorization out;
    out.block = view.route.message(message.type);
    if (!out.block) {
        return refused(std::move(out),
                       Rejection::of(Reason::unknown_message, "no route names this type of message"));
    }
    auto fields = read_fields(*out.block, message);
    if (!fields) {
        const FieldError& wrong = fields.error();
        Rejection bad = Rejection::of(Reason::bad_message, wrong.text, wrong.place);
        return refused(std::move(out), std::move(bad));
    }
    out.fields = std::move(*fields);
    request.fields = out.fields;
    if (auto limited = draw_messages(view, out.block->limits, request, limits, now))
        return refused(std::move(out), std::move(*limited));
    static_cast<Authorization&>(out) = authorize(view, out.block->decision, request);
    if (out.rejection && out.rejection->rule.empty()) out.rejection->rule = out.block->place;
    return out;
}

}  // namespace wayleave
