// What is permitted: too much, nothing at all, or not what the writer thinks.
#include <algorithm>

#include "dsl/lint_parts.h"
#include "dsl/text.h"

namespace wayleave::dsl {
namespace {

using ast::Action;

// Every channel: no `on`, or `**` alone.
bool concerns_everything(const ast::Rule& rule) {
    return rule.tail.on.empty() ||
           std::any_of(rule.tail.on.begin(), rule.tail.on.end(), [](const ast::ChannelPattern& pattern) {
               return pattern.segments.size() == 1 && pattern.segments[0].kind == ast::Segment::Kind::rest;
           });
}

void check_wide(LintContext& context, const ast::Rule& rule) {
    if (!rule.allow || rule.tail.condition || !concerns_everything(rule)) return;
    if (concerns(rule, Action::subscribe)) {
        context.diagnostics.warning("W306", span_of_action(rule, Action::subscribe),
                                    "every client may read every channel",
                                    "also those of other users, and those that come later",
                                    "name the channels: `allow subscribe on room/:room`");
    }
    if (concerns(rule, Action::publish)) {
        context.diagnostics.warning("W313", span_of_action(rule, Action::publish),
                                    "every client may publish to every channel",
                                    "also to those of other users, in the name of anybody",
                                    "name the channels, or write a `message` block");
    }
}

void check_silent(LintContext& context, const ast::Rule& rule) {
    if (rule.allow || rule.tail.because) return;
    context.diagnostics.warning("W402", rule.span, "nobody is told why this is denied", {},
                                "end it with `because \"…\"`: clients and logs show it");
}

bool denies(const ast::Message& message) {
    bool found = false;
    each_in<ast::Rule>(message.members, [&](const ast::Rule& rule) { found = found || !rule.allow; });
    return found;
}

// The same sentence in the head of a person covers both; in the language it does not.
void check_other_door(LintContext& context, const LintRoute& route) {
    const bool message_denied = route.any<ast::Rule>(
        [](const ast::Rule& rule) { return !rule.allow && concerns(rule, Action::message); });
    const ast::Message* open = nullptr;
    route.each<ast::Message>([&](const ast::Message& message) {
        bool publishes = false;
        each_in<ast::PublishTo>(message.members, [&](const ast::PublishTo&) { publishes = true; });
        if (publishes && !denies(message) && !open) open = &message;
    });
    if (message_denied || !open) return;
    route.each<ast::Rule>([&](const ast::Rule& rule) {
        if (rule.allow || !concerns(rule, Action::publish)) return;
        context.diagnostics
            .warning("W116", span_of_action(rule, Action::publish),
                     "this does not stop what the message blocks publish",
                     "`publish` is a client's own publication to a channel",
                     "write `deny message …` beside it, or a `deny` in the block")
            .secondary.push_back({open->types.front().span, "such as this one"});
    });
}

void check_connect(LintContext& context, const LintRoute& route) {
    const bool connects = route.any<ast::Rule>(
        [](const ast::Rule& rule) { return rule.allow && concerns(rule, Action::connect); });
    if (connects) return;
    context.diagnostics.warning("W114", route.ast->name.span,
                                "nobody can connect to the route " + quoted(route.ast->name.text),
                                "no `allow connect` reaches it", "write `allow connect`");
}

void check_message(LintContext& context, const ast::Message& message) {
    bool does_something = false;
    for (const ast::MessageMember& member : message.members) {
        does_something = does_something || std::holds_alternative<ast::PublishTo>(member) ||
                         std::holds_alternative<ast::Forward>(member) ||
                         std::holds_alternative<ast::Reply>(member);
    }
    if (does_something) return;
    context.diagnostics.warning("W115", message.types.front().span,
                                "this message is accepted and goes nowhere", {},
                                "write `publish to CHANNEL`, or leave the block out");
}

}  // namespace

void lint_rules(LintContext& context) {
    for (const LintRoute& route : context.routes) {
        check_connect(context, route);
        check_other_door(context, route);
        route.each<ast::Rule>([&](const ast::Rule& rule) {
            check_wide(context, rule);
            check_silent(context, rule);
        });
        route.each<ast::Message>([&](const ast::Message& message) {
            check_message(context, message);
            each_in<ast::Rule>(message.members, [&](const ast::Rule& rule) { check_silent(context, rule); });
        });
    }
}

}  // namespace wayleave::dsl
