// Message blocks of a route.
#include <algorithm>

#include "dsl/compile/route.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

const Context at_message{true, false, true, "at a message"};

std::string joined(const std::vector<ast::MessageType>& types) {
    std::string out;
    for (const ast::MessageType& type : types) out += (out.empty() ? "" : ",") + std::string(type.text);
    return out;
}

}  // namespace

// `deny message` and the like, outside of blocks: they reach every block, and are the same in each.
void RouteCompiler::gather_message_rules() {
    const bool any = std::any_of(parts_.begin(), parts_.end(), [](const BodyPart& part) {
        return std::any_of(part.members->begin(), part.members->end(), [](const ast::Member& member) {
            return std::holds_alternative<ast::Message>(member);
        });
    });
    if (!any) return;
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        for (const ast::Member& member : *part.members) {
            const auto* rule = std::get_if<ast::Rule>(&member);
            const bool mine = rule && std::any_of(rule->actions.begin(), rule->actions.end(),
                                                  [](const ast::ActionName& name) {
                                                      return name.action == Action::message;
                                                  });
            if (mine) add_candidate(*rule, names, at_message, message_denies_, message_allows_);
        }
    }
}

void RouteCompiler::compile_messages() {
    gather_message_rules();
    for (const BodyPart& part : parts_) {
        for (const ast::Member& member : *part.members) {
            const auto* message = std::get_if<ast::Message>(&member);
            if (!message) continue;
            Names names = names_;
            Lets lets(part.lets.get());
            each<ast::Let>(message->members, [&](const ast::Let& let) {
                if (lets.add(let))
                    diagnostics_.error("E005", let.name.span, quoted(let.name.text) + " is defined twice");
            });
            names.lets = &lets;
            compile_message(*message, names);
        }
    }
    std::sort(route_->type_prefixes.begin(), route_->type_prefixes.end(),
              [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
    if (route_->dialect == Dialect::echo && (!route_->messages.empty() || !route_->joins.empty())) {
        diagnostics_.error("E024", name_.span,
                           "an echo route sends everything back: it has no messages and no channels");
    }
}

void RouteCompiler::compile_message(const ast::Message& message, const Names& outer) {
    const size_t errors = diagnostics_.reported();
    Names names = outer;
    Message out;
    out.place = context_.sources.place(message.span);
    each<ast::Field>(message.members,
                     [&](const ast::Field& field) { compile_field(field, *names.lets, out, names); });
    each<ast::Stamp>(message.members, [&](const ast::Stamp& stamp) { compile_stamp(stamp, names, out); });
    each<ast::Setting>(message.members, [&](const ast::Setting& setting) {
        if (setting.name.text != "strict") {
            diagnostics_.error("E008", setting.name.span,
                               "there is no setting " + quoted(setting.name.text) + " in a message", {},
                               "`strict` is the only one");
            return;
        }
        ValueReader reader(context_, *names.lets);
        out.strict = reader.boolean(setting).value_or(false);
    });

    std::vector<Candidate> denies;
    std::vector<Candidate> allows;
    each<ast::Rule>(message.members, [&](const ast::Rule& rule) {
        check_then(rule);
        if (!rule.tail.on.empty()) {
            diagnostics_.error("E004", rule.tail.on.front().span, "`on` has no meaning for a message",
                               "a message has a type, not a channel");
        }
        if (rule.tail.with) {
            diagnostics_.error("E004", rule.tail.with->span, "`with` has no meaning for a message",
                               "a token for one channel comes with `$subscribe`");
        }
        add_candidate(rule, names, at_message, denies, allows);
    });
    denies.insert(denies.end(), message_denies_.begin(), message_denies_.end());
    allows.insert(allows.end(), message_allows_.begin(), message_allows_.end());
    const bool never_allowed = std::none_of(allows.begin(), allows.end(), [](const Candidate& allow) {
        return allow.condition.kind != Condition::Kind::constant || allow.condition.value;
    });
    // A mistake in a condition says enough; a block without a type could not be read.
    if (never_allowed && !names.claims_unknown && diagnostics_.reported() == errors &&
        !message.types.empty()) {
        diagnostics_.error(
            "E023", message.types.front().span, "no `allow` lets this message pass", {},
            "write `allow` in the block, or leave the block out: what is not named is refused");
    }
    out.decision = link_decision(std::move(denies), std::move(allows));
    each<ast::Limit>(message.members, [&](const ast::Limit& ast) {
        if (auto made = limit(ast, names, joined(message.types))) out.limits.push_back(std::move(*made));
    });
    each<ast::PublishTo>(message.members,
                         [&](const ast::PublishTo& publish) { compile_publish(publish, names, out); });
    compile_backends(message, names, out);
    register_types(message, static_cast<uint32_t>(route_->messages.size()));
    route_->messages.push_back(std::move(out));
}

void RouteCompiler::compile_field(const ast::Field& field, const Lets& lets, Message& out, Names& names) {
    if (!readable_type(field.type, "a field", false, diagnostics_)) return;
    const auto fallback = compile_absent(context_, lets, field.absent, field.type.type);
    if (!fallback) return;
    const std::string name(field.name.text);
    if (builtin(name) != nullptr || names.symbols.contains(name)) {
        diagnostics_.error("E005", field.name.span, quoted(name) + " means something else already", {},
                           "write `field my_" + name + " : … as \"" + name + "\"`");
        return;
    }
    FieldDecl decl{
        name, member_path(field.name, field.as), field.type.type, fallback->required, fallback->otherwise,
        {},   context_.sources.place(field.span)};
    if (field.in) {
        ValueReader reader(context_, lets);
        const auto typed = reader.constant(*field.in);
        if (!typed) return;
        if (typed->type != Type{field.type.type.kind, Shape::set} || field.type.type.shape != Shape::one) {
            diagnostics_.error(
                "E003", field.in->span,
                "the values of " + quoted(name) + " are a set of " + to_string(field.type.type));
            return;
        }
        decl.in = std::get<std::vector<Scalar>>(typed->value->held);
        if (decl.in.empty()) diagnostics_.error("E003", field.in->span, "no value is in an empty set");
    }
    const Operand operand{Operand::From::attribute, Attribute::field,
                          static_cast<uint16_t>(out.fields.size()), 0};
    names.symbols.emplace(name, Symbol{operand, field.type.type, Stage::message});
    context_.remember(name, Symbol{operand, field.type.type, Stage::message});
    out.fields.push_back(std::move(decl));
}

bool RouteCompiler::is_secret(const Operand& operand) const {
    return operand.from == Operand::From::attribute && operand.attribute == Attribute::fact &&
           route_->shape->facts[operand.slot].secret;
}

// Whether the server may say that member: not the words that say what the message is, and once.
bool RouteCompiler::can_stamp(const ast::Stamp& stamp, const Message& message) {
    const std::string& name = stamp.name.text;
    if (name == "type" || name.empty() || name.starts_with('$')) {
        diagnostics_.error("E003", stamp.name.span, quoted(name) + " cannot be set",
                           "`type` and what begins with `$` say what a message is");
        return false;
    }
    const bool twice = std::any_of(message.stamps.begin(), message.stamps.end(),
                                   [&](const Stamp& known) { return known.member == name; });
    if (twice) {
        diagnostics_.error("E020", stamp.name.span, quoted(name) + " is set twice");
        return false;
    }
    const auto field = std::find_if(message.fields.begin(), message.fields.end(),
                                    [&](const FieldDecl& decl) { return decl.member.front() == name; });
    if (field == message.fields.end()) return true;
    diagnostics_.error("E029", stamp.name.span,
                       quoted(name) + " is the server's word, and a field reads the client's",
                       "the field " + quoted(field->name) + " is read from it", "take the field away");
    return false;
}

void RouteCompiler::compile_stamp(const ast::Stamp& stamp, const Names& names, Message& out) {
    ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
    const auto typed = checker.operand(stamp.value, at_message);
    if (!typed || !can_stamp(stamp, out)) return;
    if (typed->type.shape == Shape::map || typed->mixed) {
        diagnostics_.error(
            "E003", stamp.value.span,
            typed->mixed ? "a set of values that are not known yet cannot be set" : "a map cannot be set", {},
            "set one value of it: `plan_rate[user.plan] else 1/s`");
        return;
    }
    if (is_secret(typed->operand)) {
        diagnostics_.error("E028", stamp.value.span, "this would show a secret to all who read the message",
                           "the claim is `secret`", "set another claim, or take `secret` away");
        return;
    }
    out.stamps.push_back({stamp.name.text, typed->operand, typed->type});
}

void RouteCompiler::compile_publish(const ast::PublishTo& publish, const Names& names, Message& out) {
    std::optional<Lane> lane;
    if (publish.priority) {
        const std::string_view word = publish.priority->text;
        lane = word == "urgent" ? Lane::urgent : word == "low" ? Lane::low : Lane::normal;
        context_.not_executed(publish.priority->span, "priority");
        if (!has_word("urgent normal low", word)) {
            diagnostics_.error("E002", publish.priority->span, "there is no priority " + quoted(word), {},
                               "urgent, normal and low exist");
        }
    }
    const RootId condition = optional_condition(publish.condition, names, at_message);
    for (const ast::ChannelPattern& channel : publish.channels) {
        out.publish.push_back({channel_pattern(channel, names, at_message, true, nullptr),
                               publish.except_self, lane, condition});
    }
}

void RouteCompiler::compile_backends(const ast::Message& message, const Names& names, Message& out) {
    each<ast::Forward>(message.members, [&](const ast::Forward& forward) {
        context_.not_executed(forward.span, "forward");
        const RootId condition = optional_condition(forward.condition, names, at_message);
        if (auto to = backend_path(context_, forward.backend, forward.path))
            out.forwards.push_back({std::move(*to), condition});
    });
    each<ast::Reply>(message.members, [&](const ast::Reply& reply) {
        context_.not_executed(reply.span, "reply");
        const RootId condition = optional_condition(reply.condition, names, at_message);
        if (reply.type.text.ends_with('*'))
            diagnostics_.error("E001", reply.type.span, "a reply has one type");
        out.replies.push_back({std::string(reply.type.text), condition});
    });
}

void RouteCompiler::register_types(const ast::Message& message, uint32_t number) {
    for (const ast::MessageType& type : message.types) {
        const auto [it, fresh] = types_.try_emplace(type.text, type.span);
        if (!fresh) {
            auto& diagnostic = diagnostics_.error("E005", type.span,
                                                  "the message " + quoted(type.text) + " is described twice");
            diagnostic.secondary.push_back({it->second, "first here"});
        } else if (type.text == "*") {
            route_->type_prefixes.emplace_back("", number);
        } else if (type.text.ends_with(".*")) {
            route_->type_prefixes.emplace_back(type.text.substr(0, type.text.size() - 1), number);
        } else {
            route_->exact_types.emplace(type.text, number);
        }
    }
}

}  // namespace wayleave::dsl
