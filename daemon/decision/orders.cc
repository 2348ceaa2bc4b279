#include "daemon/decision/orders.h"

#include <algorithm>

#include "dsl/policy/evaluate.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

bool concerns(const dsl::BackendRule& rule, dsl::Action action, const dsl::ChannelName* channel) {
    if (std::find(rule.actions.begin(), rule.actions.end(), action) == rule.actions.end()) return false;
    if (rule.on.empty() || !channel) return true;
    static const dsl::Program nothing;  // the patterns of a backend insert no values
    return std::any_of(rule.on.begin(), rule.on.end(), [&](const auto& pattern) {
        return dsl::matches(nothing, pattern.second, *channel, {});
    });
}

}  // namespace

std::optional<Rejection> refuse_order(const dsl::BackendDecl& backend, dsl::Action action,
                                      const dsl::ChannelName* channel) {
    const dsl::BackendRule* allowed = nullptr;
    for (const dsl::BackendRule& rule : backend.rules) {
        if (!concerns(rule, action, channel)) continue;
        if (!rule.allow) return Rejection::of(Reason::forbidden, rule.because, rule.place);
        allowed = &rule;
    }
    if (allowed) return std::nullopt;
    std::string because = "no rule of the backend allows it to order " + std::string(dsl::to_string(action));
    if (channel) because += " on " + dsl::quoted(channel->text);
    return Rejection::of(Reason::forbidden, std::move(because), backend.place);
}

}  // namespace wayleave
