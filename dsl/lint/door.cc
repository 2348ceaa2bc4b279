// Who gets in: origins, public routes, TLS, what a refusal tells.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Kind = OutcomeKind;

bool is_loopback_origin(std::string_view origin) {
    const size_t scheme = origin.find("://");
    if (scheme == std::string_view::npos) return false;
    const std::string_view host = origin.substr(scheme + 3);
    return host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]");
}

// What a page of http:// says may be the word of anybody on the way.
void check_plain_origin(LintContext& context, const LintRoute& route) {
    const ast::Setting* setting = route.setting("origins");
    if (!setting || !std::holds_alternative<ast::Expr>(setting->value)) return;
    const auto& exact = route.compiled->origins.exact;
    for (const std::string& origin : exact) {
        if (!origin.starts_with("http://") || is_loopback_origin(origin)) continue;
        const std::string secure = "https" + origin.substr(4);
        if (std::find(exact.begin(), exact.end(), secure) == exact.end()) continue;
        Span span = span_of(setting->value);
        for (const ast::Expr& arg : std::get<ast::Expr>(setting->value).args) {
            const std::string* text = string_of(arg);
            if (text && *text == origin) span = arg.span;
        }
        context.diagnostics.warning("W302", span, "this origin stands beside the same one with https",
                                    "anybody on the way can make such a page",
                                    "leave it out, and redirect http to https");
    }
}

// A page can make the browser of its visitor ask for a stream of events: a request of the kind that carries
// cookies, and no Origin. Browsers of today say so in another header, older ones do not.
void check_absent_origin(LintContext& context, const LintRoute& route) {
    const Route& compiled = *route.compiled;
    const ast::Setting* setting = route.setting("origins");
    if (!setting || !compiled.origins.absent || compiled.origins.any || compiled.dialect != Dialect::native)
        return;
    for (const uint32_t number : compiled.auth) {
        const TokenDecl& token = context.policy.tokens[number];
        const bool cookie = std::any_of(token.from.begin(), token.from.end(), [](const TokenSource& source) {
            return source.kind == SourceKind::cookie;
        });
        if (!cookie) continue;
        context.diagnostics.warning(
            "W314", setting->span,
            "`none` admits whoever sends no Origin, and " + quoted(token.name) + " may come from a cookie",
            "an old browser can be made to open an event stream as its user",
            "let programs show a header, on a route of their own");
        return;
    }
}

// A user whose claim is absent joins nothing, and nobody tells him.
void check_joins(LintContext& context, const LintRoute& route) {
    const auto may_be_empty = [&](const std::string& name) {
        const auto empty = [](const auto& decl) {
            const auto* text = std::get_if<std::string>(&decl.otherwise.held);
            return !decl.required && text && text->empty();
        };
        for (const uint32_t number : route.compiled->auth) {
            for (const ClaimDecl& claim : context.policy.tokens[number].claims) {
                if ("user." + claim.name == name && empty(claim)) return true;
            }
        }
        const auto& inputs = route.compiled->inputs;
        return std::any_of(inputs.begin(), inputs.end(),
                           [&](const InputDecl& input) { return input.name == name && empty(input); });
    };
    route.each<ast::Join>([&](const ast::Join& join) {
        for (const ast::ChannelPattern& channel : join.channels) {
            for (const ast::Segment& segment : channel.segments) {
                if (segment.kind != ast::Segment::Kind::insert || !may_be_empty(segment.insert.text()))
                    continue;
                context.diagnostics.warning(
                    "W118", segment.span,
                    quoted(segment.insert.text()) + " may be empty, and an empty text is no segment",
                    "such a client does not join the channel, and is not told",
                    "make it `required`, or give it another `else`");
            }
        }
    });
}

void check_public(LintContext& context, const LintRoute& route) {
    if (!route.compiled->auth.empty()) return;
    const ast::Name& name = route.ast->name;
    context.diagnostics.warning("W403", name.span, "everybody may use the route " + quoted(name.text),
                                "`auth = none`",
                                "if that is meant, say why: # lint: ignore W403 because \"…\"");
    route.each<ast::Rule>([&](const ast::Rule& rule) {
        if (!rule.allow || !concerns(rule, Action::publish)) return;
        context.diagnostics.warning("W307", span_of_action(rule, Action::publish),
                                    "anybody may publish here, unknown to you", {},
                                    "name a token in `auth`, or let only your server publish");
    });
    route.each<ast::Message>([&](const ast::Message& message) {
        each_in<ast::PublishTo>(message.members, [&](const ast::PublishTo& publish) {
            context.diagnostics.warning("W307", publish.span, "anybody may publish here, unknown to you", {},
                                        "name a token in `auth`, or let only your server publish");
        });
    });
}

void check_listeners(LintContext& context, const LintRoute& route) {
    const auto& listeners = context.surroundings.listeners;
    if (!listeners || listeners->all_loopback) return;
    const ast::Setting* detail = route.setting("detail");
    if (route.compiled->detail && detail) {
        context.diagnostics.warning("W309", detail->span,
                                    "refusals tell everybody the file and line of your rules",
                                    "a listener can be reached from other machines", "for development only");
    }
    if (route.compiled->dialect == Dialect::echo) {
        context.diagnostics.warning(
            "W312", route.ast->name.span,
            "the route " + quoted(route.ast->name.text) + " sends everything back to everybody who asks",
            "a listener can be reached from other machines", "keep echo routes to a daemon on loopback");
    }
}

void check_life(LintContext& context, const LintRoute& route) {
    const ast::Setting* change = route.setting("on_policy_change");
    const auto* expr = change ? std::get_if<ast::Expr>(&change->value) : nullptr;
    if (expr) {
        const std::string* text = string_of(*expr);
        const bool keep = word_of(change->value) == "keep" || (text && *text == "keep");
        if (keep && !route.setting("max_lifetime") && !route.compiled->auth.empty()) {
            context.diagnostics.warning("W305", change->span,
                                        "a connection keeps the permissions of the day it was made", {},
                                        "set `max_lifetime`, so that it ends some day");
        }
    }
}

void check_endless_tokens(LintContext& context) {
    for (const ast::Item& item : context.file.items) {
        const auto* token = std::get_if<ast::Token>(&item);
        if (!token) continue;
        for (const ast::Setting& setting : token->settings) {
            if (setting.name.text != "exp" || word_of(setting.value) != "optional") continue;
            context.diagnostics.note("N506", setting.span,
                                     "a token without an end is good for as long as its key",
                                     "whoever finds one may use it for ever",
                                     "let the issuer write `exp`; `max_age` bounds those that have `iat`");
        }
    }
}

// --- errors { } and then ---

bool in_handshake(Refusal refusal) {
    return refusal == Refusal::unauthenticated || refusal == Refusal::forbidden ||
           refusal == Refusal::limited || refusal == Refusal::banned || refusal == Refusal::bad_message ||
           refusal == Refusal::unavailable;
}

// An outcome that fits one of the times at which the reason happens is enough: the other one has its default.
void check_reason(LintContext& context, const ast::Setting& setting) {
    const auto refusal = refusal_from(setting.name.text);
    const auto* outcome = std::get_if<ast::Outcome>(&setting.value);
    if (!refusal || !outcome || outcome->kind != Kind::status || in_handshake(*refusal)) return;
    context.diagnostics.warning("W117", outcome->span,
                                quoted(setting.name.text) + " never happens in a handshake",
                                "so there is never a status to send", "write `close N` or `error \"name\"`");
}

void check_then(LintContext& context, const ast::Rule& rule) {
    if (!rule.tail.then || !concerns(rule, Action::connect) || rule.actions.size() < 2) return;
    const auto kind = rule.tail.then->kind;
    if (kind != Kind::status && kind != Kind::close) return;
    context.diagnostics.note("N505", rule.tail.then->span,
                             kind == Kind::close ? "in a handshake the default answers instead"
                                                 : "once the handshake is over, the default answers instead",
                             "this rule is about both times",
                             "write a rule for connect and one for the rest");
}

}  // namespace

void lint_door(LintContext& context) {
    check_endless_tokens(context);
    for (const LintRoute& route : context.routes) {
        check_plain_origin(context, route);
        check_absent_origin(context, route);
        check_joins(context, route);
        check_public(context, route);
        check_listeners(context, route);
        check_life(context, route);
        route.each<ast::Rule>([&](const ast::Rule& rule) { check_then(context, rule); });
        route.each<ast::Errors>([&](const ast::Errors& errors) {
            for (const ast::Setting& setting : errors.reasons) check_reason(context, setting);
        });
    }
}

}  // namespace wayleave::dsl
