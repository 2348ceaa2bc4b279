// Message blocks of a route.
#include <algorithm>

#include "dsl/compile/route.h"
#include "dsl/policy/message_type.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

const Context at_message{true, false, true, "at a message"};

std::string joined(const std::vector<ast::MessageType>& types) {
    std::string out;
    for (const ast::MessageType& type : types) out += (out.empty() ? "" : ",") + type.text;
    return out;
}

}  // namespace

// `deny message` and the like, outside of blocks: they reach every block, and are the same in each.
void RouteCompiler::gather_message_rules() {
    const bool any = std::any_of(parts_.begin(), parts_.end(), [](const BodyPart& part) {
        return std::any_of(part.members->begin(), part.members->end(), [](const ast::Member& member) {
            return std::holds_alternative<ast::Message>(member) ||
                   std::holds_alternative<ast::Stream>(member);
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
        if (setting.name.text != "strict" && setting.name.text != "ordered") {
            diagnostics_.error("E008", setting.name.span,
                               "there is no setting " + quoted(setting.name.text) + " in a message", {},
                               "`strict` and `ordered` are all there are");
            return;
        }
        ValueReader reader(context_, *names.lets);
        (setting.name.text == "strict" ? out.strict : out.ordered) = reader.boolean(setting).value_or(false);
        if (out.ordered && std::none_of(message.members.begin(), message.members.end(), [](const auto& one) {
                return std::holds_alternative<ast::Forward>(one);
            }))
            diagnostics_.error("E027", setting.name.span, "`ordered` needs `forward to` beside it");
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
        if (rule.tail.by) {
            diagnostics_.error("E004", rule.tail.by->span, "`by` has no meaning for a message",
                               "a backend is asked about subscriptions alone",
                               "to hand a message to a backend write `forward to`");
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
    compile_subscriptions(message, names, out);
    compile_replies(message, names, out);
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
        if (!has_word("urgent normal low", word)) {
            diagnostics_.error("E002", publish.priority->span, "there is no priority " + quoted(word), {},
                               "urgent, normal and low exist");
        }
    }
    const RootId condition = optional_condition(publish.condition, names, at_message);
    const std::string type = one_type(publish.as, "what is published");
    for (const ast::ChannelPattern& channel : publish.channels) {
        out.publish.push_back({channel_pattern(channel, names, at_message, true, nullptr),
                               publish.except_self, lane, condition, type});
    }
}

std::optional<Operand> RouteCompiler::path_insert(std::string_view name, const ast::Text& path,
                                                  const Names& names, const Context& context) {
    ast::Path asked{{}, path.span};
    for (size_t start = 0; start <= name.size();) {
        const size_t dot = std::min(name.find('.', start), name.size());
        asked.parts.push_back({name.substr(start, dot - start), path.span});
        if (asked.parts.back().text.empty()) {
            diagnostics_.error("E003", path.span, quoted(path.text) + " is not a path",
                               "a value is inserted by its name, like `{user.sub}`");
            return std::nullopt;
        }
        start = dot + 1;
    }
    ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
    const auto typed = checker.path(asked, context);
    if (!typed) return std::nullopt;
    if (typed->type != Type{Kind::string, Shape::one} && typed->type != Type{Kind::integer, Shape::one}) {
        diagnostics_.error("E003", path.span,
                           "what is inserted into a path is a string or an int, " + quoted(name) + " is " +
                               a_type(typed->type));
        return std::nullopt;
    }
    if (is_secret(typed->operand)) {
        diagnostics_.error("E028", path.span, "this would show a secret to all who read the backend's log",
                           "the claim is `secret`", "insert another claim, or take `secret` away");
        return std::nullopt;
    }
    return typed->operand;
}

std::optional<BackendPath> RouteCompiler::path_to(const ast::Name& backend, const ast::Text& path,
                                                  const Names& names, const Context& context) {
    auto out = backend_path(context_, backend, path, true);
    if (!out) return out;
    std::string_view rest = path.text;
    for (size_t open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
        const size_t close = rest.find('}', open);
        if (close == std::string_view::npos) {
            diagnostics_.error("E003", path.span, quoted(path.text) + " is not a path", "a `}` is missing");
            return std::nullopt;
        }
        const auto insert = path_insert(rest.substr(open + 1, close - open - 1), path, names, context);
        if (!insert) return std::nullopt;
        out->pieces.push_back({std::string(rest.substr(0, open)), insert});
        rest.remove_prefix(close + 1);
    }
    if (!out->pieces.empty() && !rest.empty()) out->pieces.push_back({std::string(rest), std::nullopt});
    return out;
}

// A channel that is entered or left without a condition is named once: twice says nothing, and both is a
// contradiction.
void RouteCompiler::compile_subscriptions(const ast::Message& message, const Names& names, Message& out) {
    std::map<std::string_view, Span> fixed;
    each<ast::SubscribeTo>(message.members, [&](const ast::SubscribeTo& one) {
        const RootId condition = optional_condition(one.condition, names, at_message);
        for (const ast::ChannelPattern& channel : one.channels) {
            (one.leave ? out.unsubscribes : out.subscribes)
                .push_back({channel_pattern(channel, names, at_message, true, nullptr), condition});
            if (one.condition) continue;
            const std::string_view text = context_.sources.text(channel.span);
            const auto [first, fresh] = fixed.try_emplace(text, channel.span);
            if (fresh) continue;
            auto& told = diagnostics_.error("E020", channel.span,
                                            quoted(text) + " is named twice for the sender of this message",
                                            {}, "say once what becomes of it, or under which condition");
            told.secondary.push_back({first->second, "also here"});
        }
    });
}

void RouteCompiler::compile_replies(const ast::Message& message, const Names& names, Message& out) {
    std::map<std::string, Span> fixed;
    each<ast::Reply>(message.members, [&](const ast::Reply& reply) {
        const RootId condition = optional_condition(reply.condition, names, at_message);
        std::string type = one_type(reply.type, "a reply");
        if (!reply.condition) {
            const auto [first, fresh] = fixed.try_emplace(type, reply.span);
            if (!fresh)
                diagnostics_.error("E020", reply.span, "this reply is sent twice")
                    .secondary.push_back({first->second, "also here"});
        }
        out.replies.push_back({std::move(type), condition});
    });
}

// The one type of what is sent; empty: that of the message.
std::string RouteCompiler::one_type(const std::optional<ast::MessageType>& type, std::string_view what) {
    if (!type || !check_type(*type)) return {};
    if (names_many(type->text)) {
        diagnostics_.error("E001", type->span, std::string(what) + " has one type", {},
                           "name it, or leave the word out to keep the type of the message");
        return {};
    }
    return type->text;
}

bool RouteCompiler::check_type(const ast::MessageType& type) {
    if (!is_message_type(type.text)) {
        diagnostics_.error("E003", type.span, "this cannot be the type of a message",
                           type.text.starts_with('$')
                               ? "what begins with `$` is the daemon's"
                               : "a type has 1 to 128 bytes and no control characters");
        return false;
    }
    if (type.text.ends_with('*') && !names_many(type.text)) {
        diagnostics_.error("E003", type.span, "this names no types below another", {},
                           "end it with `.*` or `:*`, or write `*` for all");
        return false;
    }
    return true;
}

void RouteCompiler::compile_backends(const ast::Message& message, const Names& names, Message& out) {
    each<ast::Forward>(message.members, [&](const ast::Forward& forward) {
        const RootId condition = optional_condition(forward.condition, names, at_message);
        if (!out.forwards.empty() && builder_.program().roots[out.forwards.back().condition] == always)
            diagnostics_.error("E020", forward.span,
                               "nothing is forwarded here: the statement above always is",
                               "the first whose condition holds is taken");
        if (auto to = path_to(forward.backend, forward.path, names, at_message))
            out.forwards.push_back({std::move(*to), condition, context_.sources.place(forward.span)});
    });
}

void RouteCompiler::register_types(const ast::Message& message, uint32_t number) {
    for (const ast::MessageType& type : message.types) {
        if (!check_type(type)) continue;
        const auto [it, fresh] = types_.try_emplace(type.text, type.span);
        if (!fresh) {
            auto& diagnostic = diagnostics_.error("E005", type.span,
                                                  "the message " + quoted(type.text) + " is described twice");
            diagnostic.secondary.push_back({it->second, "first here"});
        } else if (type.text == "*") {
            route_->type_prefixes.emplace_back("", number);
        } else if (names_many(type.text)) {
            route_->type_prefixes.emplace_back(type.text.substr(0, type.text.size() - 1), number);
        } else {
            route_->exact_types.emplace(type.text, number);
        }
    }
}

}  // namespace wayleave::dsl
