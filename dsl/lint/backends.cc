// What is said to backends: whether they can know who says it, and whether they hear of every end.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// Where nobody else is between the two.
bool is_of_this_machine(std::string_view url) {
    const size_t scheme = url.find("://");
    if (url.starts_with("unix:")) return true;
    std::string_view host = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
    host = host.substr(0, host.find('/'));
    return host.starts_with("127.") || host.starts_with("[::1]") || host == "localhost" ||
           host.starts_with("localhost:");
}

// What is said there decides something: it says who the user is.
bool is_told_by_a_route(const Policy& policy, uint32_t backend) {
    return std::any_of(policy.routes.begin(), policy.routes.end(), [&](const auto& route) {
        const bool notified = std::any_of(route->notifies.begin(), route->notifies.end(),
                                          [&](const Notify& notify) { return notify.to.backend == backend; });
        const bool asked = std::any_of(route->rules.begin(), route->rules.end(), [&](const RuleInfo& rule) {
            return rule.by && rule.by->to.backend == backend;
        });
        return notified || asked ||
               std::any_of(route->messages.begin(), route->messages.end(), [&](const Message& message) {
                   return std::any_of(message.forwards.begin(), message.forwards.end(),
                                      [&](const Forward& one) { return one.to.backend == backend; });
               });
    });
}

// A question about a credential names nobody, but its answer does.
bool knows_tokens(const Policy& policy, uint32_t backend) {
    return std::any_of(policy.tokens.begin(), policy.tokens.end(), [&](const TokenDecl& token) {
        return token.check && token.check->backend == backend;
    });
}

void look_for_signatures(LintContext& context) {
    for (uint32_t i = 0; i < context.policy.backends.size(); ++i) {
        const BackendDecl& backend = context.policy.backends[i];
        const auto url = backend.settings.find("url");
        if (!backend.sign_path.empty() || url == backend.settings.end() ||
            is_of_this_machine(std::get<std::string>(url->second.held)))
            continue;
        const bool told = is_told_by_a_route(context.policy, i);
        if (!told && !knows_tokens(context.policy, i)) continue;
        const auto item =
            std::find_if(context.file.items.begin(), context.file.items.end(), [&](const ast::Item& one) {
                const auto* written = std::get_if<ast::Backend>(&one);
                return written && written->name.text == backend.name;
            });
        if (item == context.file.items.end()) continue;
        context.diagnostics.warning("W318", std::get<ast::Backend>(*item).name.span,
                                    "what is told to the backend " + quoted(backend.name) + " is not signed",
                                    told ? "who reaches it can say the same in anybody's name"
                                         : "who reaches it can try credentials there, past every limit here",
                                    "sign it: sign = file \"keys/app.whsec\"");
    }
}

void look_for_ends(LintContext& context) {
    for (const LintRoute& route : context.routes) {
        const auto tells = [&](std::string_view event) {
            return route.any<ast::Notify>([&](const ast::Notify& notify) {
                return std::any_of(notify.events.begin(), notify.events.end(),
                                   [&](const ast::Name& name) { return name.text == event; });
            });
        };
        if (tells("disconnect")) continue;
        route.each<ast::Notify>([&](const ast::Notify& notify) {
            for (const ast::Name& event : notify.events) {
                if (event.text != "unsubscribe") continue;
                context.diagnostics.warning(
                    "W120", event.span, "the end of a connection is not told of",
                    "it ends all its subscriptions, and there is no `unsubscribe` for them",
                    "add `disconnect`");
            }
        });
    }
}

}  // namespace

void lint_backends(LintContext& context) {
    look_for_signatures(context);
    look_for_ends(context);
}

}  // namespace wayleave::dsl
