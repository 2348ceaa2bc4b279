// What is permitted: too much, nothing at all, or not what the writer thinks.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// Every channel: no `on`, or `**` alone.
bool concerns_everything(const ast::Rule& rule) {
    return rule.tail.on.empty() ||
           std::any_of(rule.tail.on.begin(), rule.tail.on.end(), [](const ast::ChannelPattern& pattern) {
               return pattern.segments.size() == 1 && pattern.segments[0].kind == ast::Segment::Kind::rest;
           });
}

void check_wide(LintContext& context, const ast::Rule& rule) {
    if (!rule.allow || rule.tail.condition || rule.tail.with || rule.tail.by || !concerns_everything(rule))
        return;
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
                         std::holds_alternative<ast::SubscribeTo>(member) ||
                         std::holds_alternative<ast::Forward>(member) ||
                         std::holds_alternative<ast::Reply>(member);
    }
    if (does_something) return;
    context.diagnostics.warning("W115", message.types.front().span,
                                "this message is accepted and goes nowhere", {},
                                "write `publish to CHANNEL`, or leave the block out");
}

// The channel, with something in each place that is filled in.
std::string sample_of(const ast::ChannelPattern& pattern) {
    std::string out;
    for (const ast::Segment& segment : pattern.segments) {
        if (!out.empty()) out += '/';
        out += segment.kind == ast::Segment::Kind::text ? std::string(segment.text) : "x";
    }
    return out;
}

void check_priority(LintContext& context, const ast::Message& message) {
    each_in<ast::PublishTo>(message.members, [&](const ast::PublishTo& publish) {
        for (const ast::ChannelPattern& channel : publish.channels) {
            if (!publish.priority || context.policy.channel_rules(sample_of(channel)).history == 0) continue;
            context.diagnostics.warning("W119", publish.priority->span,
                                        "this has no effect in a channel with `history`",
                                        "its messages are numbered and keep their order",
                                        "give the channel a `priority`, or publish to one without `history`");
            return;
        }
    });
}

// The compiled block, by its first type.
const Message* block_of(const LintRoute& route, const ast::Message& message) {
    const std::string_view type = message.types.front().text;
    if (const auto it = route.compiled->exact_types.find(type); it != route.compiled->exact_types.end())
        return &route.compiled->messages[it->second];
    const std::string_view prefix = type.substr(0, type.size() - 1);  // of `call.*` and `*`
    for (const auto& [known, number] : route.compiled->type_prefixes) {
        if (known == prefix) return &route.compiled->messages[number];
    }
    return nullptr;
}

bool is_claim(const LintRoute& route, const Operand& operand) {
    return operand.from == Operand::From::attribute && operand.attribute == Attribute::fact &&
           operand.slot >= route.compiled->first_claim;
}

// The claim that names the user.
bool is_user(const LintContext& context, const LintRoute& route, const Operand& operand) {
    if (!is_claim(route, operand)) return false;
    const std::string& name = route.compiled->shape->facts[operand.slot].name;
    return std::any_of(route.compiled->auth.begin(), route.compiled->auth.end(),
                       [&](uint32_t token) { return name == "user." + context.policy.tokens[token].user; });
}

bool names_user(const LintContext& context, const LintRoute& route, const Pattern& pattern) {
    return std::any_of(pattern.begin(), pattern.end(), [&](const PatternSegment& segment) {
        return segment.kind == PatternSegment::Kind::insert && is_user(context, route, segment.insert);
    });
}

// `deny if from != user.name`: what the client says of itself is compared.
template <class Said>
bool compares_field(const Program& program, const Condition& condition, const Said& said) {
    if (condition.kind == Condition::Kind::atom) {
        const Atom& atom = program.atoms[condition.atom];
        const auto is_field = [](const Operand& operand) {
            return operand.from == Operand::From::attribute && operand.attribute == Attribute::field;
        };
        return (is_field(atom.left) && said(atom.right)) || (is_field(atom.right) && said(atom.left));
    }
    return std::any_of(condition.args.begin(), condition.args.end(),
                       [&](const Condition& arg) { return compares_field(program, arg, said); });
}

// A deny may compare any claim, such as a name; an allow that compares another than the user is about rights.
bool checks_sender(const LintContext& context, const LintRoute& route, const Clause& clause) {
    const bool allow = clause.rule != Clause::no_rule && route.compiled->rules[clause.rule].allow;
    return compares_field(route.compiled->program, clause.condition, [&](const Operand& operand) {
        return allow ? is_user(context, route, operand) : is_claim(route, operand);
    });
}

void check_sender(LintContext& context, const LintRoute& route, const ast::Message& message) {
    if (route.compiled->auth.empty() || message.types.empty()) return;
    const Message* block = block_of(route, message);
    if (!block || block->publish.empty()) return;
    const bool stamped = std::any_of(block->stamps.begin(), block->stamps.end(),
                                     [&](const Stamp& stamp) { return is_claim(route, stamp.value); });
    const bool in_channel =
        std::all_of(block->publish.begin(), block->publish.end(),
                    [&](const Publish& one) { return names_user(context, route, one.channel); });
    const auto& clauses = route.compiled->clauses[block->decision];
    const bool compared = std::any_of(clauses.begin(), clauses.end(), [&](const Clause& clause) {
        return checks_sender(context, route, clause);
    });
    if (stamped || in_channel || compared) return;
    context.diagnostics.note("N508", message.types.front().span, "nothing says who sent this message",
                             "what a client writes about itself is believed by those who read it",
                             "write `set from = user.sub`");
}

void check_acks(LintContext& context) {
    for (const ast::Item& item : context.file.items) {
        const auto* channel = std::get_if<ast::Channel>(&item);
        if (!channel) continue;
        for (const ast::Setting& setting : channel->settings) {
            if (setting.name.text != "acks" || word_of(setting.value) != "user") continue;
            context.diagnostics.note(
                "N509", setting.span,
                "a client that never sends `$ack` gets all that is kept at every connect", {},
                "see that every client acknowledges; then ignore this with a reason");
        }
    }
}

}  // namespace

void lint_rules(LintContext& context) {
    check_acks(context);
    for (const LintRoute& route : context.routes) {
        check_connect(context, route);
        check_other_door(context, route);
        route.each<ast::Rule>([&](const ast::Rule& rule) {
            check_wide(context, rule);
            check_silent(context, rule);
        });
        route.each<ast::Message>([&](const ast::Message& message) {
            check_message(context, message);
            check_priority(context, message);
            check_sender(context, route, message);
            each_in<ast::Rule>(message.members, [&](const ast::Rule& rule) { check_silent(context, rule); });
        });
    }
}

}  // namespace wayleave::dsl
