#include "tests/support/slow_interpreter.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>

#include "tests/support/slow_values.h"

namespace wayleave::tests {

using namespace dsl;
using ast::Expr;

namespace {

template <class T, class List>
std::vector<const T*> all_of_kind(const List& list) {
    std::vector<const T*> out;
    for (const auto& one : list) {
        if (const auto* found = std::get_if<T>(&one)) out.push_back(found);
    }
    return out;
}

bool is_condition(const Expr& expr) {
    return expr.kind == Expr::Kind::negation || expr.kind == Expr::Kind::all_of ||
           expr.kind == Expr::Kind::any_of || expr.kind == Expr::Kind::comparison;
}

Scalar scalar_of(const Value& value) {
    return std::visit(
        [](const auto& held) -> Scalar {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::vector<Scalar>>) {
                return false;
            } else {
                return held;
            }
        },
        value.held);
}

}  // namespace

SlowInterpreter::SlowInterpreter(const ast::File& file, const Sources& sources, std::string_view list)
    : file_(file), sources_(sources), list_(list) {}

// --- what reaches a route ---

const ast::Route& SlowInterpreter::route(std::string_view name) const {
    for (const ast::Route* route : all_of_kind<ast::Route>(file_.items)) {
        if (route->name.text == name) return *route;
    }
    throw std::logic_error("no such route");
}

void SlowInterpreter::add_used(const std::vector<ast::Member>& members, std::vector<Part>& out) const {
    for (const ast::Use* use : all_of_kind<ast::Use>(members)) {
        for (const ast::Name& name : use->names) {
            for (const ast::Policy* policy : all_of_kind<ast::Policy>(file_.items)) {
                const bool again = std::any_of(out.begin(), out.end(), [&](const Part& part) {
                    return part.members == &policy->members;
                });
                if (policy->name.text == name.text && !again) out.push_back({&policy->members});
            }
        }
    }
}

std::vector<SlowInterpreter::Part> SlowInterpreter::parts(std::string_view name) const {
    std::vector<Part> out;
    for (const ast::Defaults* defaults : all_of_kind<ast::Defaults>(file_.items)) {
        out.push_back({&defaults->members});
        add_used(defaults->members, out);
    }
    add_used(route(name).members, out);
    out.push_back({&route(name).members});
    return out;
}

// --- names ---

const ast::Let* SlowInterpreter::let(std::string_view name, const Place& place) const {
    std::vector<const ast::Let*> lets;
    if (place.message) lets = all_of_kind<ast::Let>(place.message->members);
    for (const ast::Let* one : all_of_kind<ast::Let>(*place.members)) lets.push_back(one);
    for (const ast::Let* one : all_of_kind<ast::Let>(file_.items)) lets.push_back(one);
    for (const ast::Let* one : lets) {
        if (one->name.text == name) return one;
    }
    return nullptr;
}

std::optional<Value> SlowInterpreter::known(const std::string& name, const Place& place) const {
    const SlowInput& input = *place.input;
    if (name == "ip") return Value(input.facts.ip);
    if (name == "subnet") return Value(slow_subnet(input.facts.ip));
    if (name == "host") return Value(input.facts.host);
    if (name == "path") return Value(input.facts.path);
    if (name == "origin") return Value(input.facts.origin);
    if (name == "subprotocol") return Value(input.facts.subprotocol);
    if (name == "tls") return Value(input.facts.tls);
    if (name == "channel") return Value(input.channel);
    if (name == "connection.age") return Value(input.connection_age_ms);
    if (name == "connection.subscriptions") return Value(input.subscriptions);
    if (name == "message.type") return Value(input.message_type);
    if (name == "message.size") return Value(input.message_size);
    if (name == "message.binary") return Value(input.message_binary);
    for (size_t i = 0; i < input.facts.shape->facts.size(); ++i) {
        if (input.facts.shape->facts[i].name == name) return input.facts.values[i];
    }
    for (const SlowInput::Field& capture : place.captures) {
        if (capture.name == name) return capture.value;
    }
    for (const SlowInput::Field& field : place.message ? input.fields : std::vector<SlowInput::Field>{}) {
        if (field.name == name) return field.value;
    }
    return std::nullopt;
}

Stage SlowInterpreter::stage_of_name(const std::string& name, const Place& place) {
    if (name.starts_with("user.")) return Stage::identity;
    if (name.starts_with("message.") || name.starts_with("connection.")) return Stage::message;
    if (name == "channel") return Stage::channel;
    for (const SlowInput::Field& capture : place.captures) {
        if (capture.name == name) return Stage::channel;
    }
    for (const SlowInput::Field& field :
         place.message ? place.input->fields : std::vector<SlowInput::Field>{}) {
        if (field.name == name) return Stage::message;
    }
    return Stage::arrival;
}

// --- values ---

bool SlowInterpreter::holds(const Expr& expr, const Place& place) const {
    return std::get<bool>(evaluate(expr, place).held);
}

Value SlowInterpreter::evaluate(const Expr& expr, const Place& place) const {
    const auto each = [&](bool wanted) {
        return std::any_of(expr.args.begin(), expr.args.end(),
                           [&](const Expr& arg) { return holds(arg, place) == wanted; });
    };
    switch (expr.kind) {
        case Expr::Kind::literal: return expr.literal.value;
        case Expr::Kind::path: {
            const std::string name = expr.path.text();
            if (const auto value = known(name, place)) return *value;
            return definition(*let(name, place), place);
        }
        case Expr::Kind::lookup: return look_up(expr, place);
        case Expr::Kind::set: {
            std::vector<Scalar> elements;
            for (const Expr& arg : expr.args) elements.push_back(scalar_of(evaluate(arg, place)));
            return Value(std::move(elements));
        }
        case Expr::Kind::map: break;  // only looked up
        case Expr::Kind::negation: return Value(!holds(expr.args[0], place));
        case Expr::Kind::all_of: return Value(!each(false));
        case Expr::Kind::any_of: return Value(each(true));
        case Expr::Kind::comparison:
            return Value(slow_compare(expr.op, evaluate(expr.args[0], place), evaluate(expr.args[1], place)));
    }
    throw std::logic_error("no value");
}

Value SlowInterpreter::look_up(const Expr& expr, const Place& place) const {
    const Expr* map = &std::get<Expr>(let(expr.path.text(), place)->value);
    while (map->kind == Expr::Kind::path) map = &std::get<Expr>(let(map->path.text(), place)->value);
    const Value key = evaluate(expr.args[0], place);
    for (size_t i = 0; i < map->keys.size(); ++i) {
        if (evaluate(map->keys[i], place) == key) return evaluate(map->args[i], place);
    }
    return expr.literal.value;
}

Value SlowInterpreter::definition(const ast::Let& let, const Place& place) const {
    if (const auto* file = std::get_if<ast::FileValue>(&let.value)) return list_of(*file);
    return evaluate(std::get<Expr>(let.value), place);
}

// One net a line; `#` begins a comment.
Value SlowInterpreter::list_of(const ast::FileValue&) const {
    std::vector<Scalar> elements;
    for (const std::string& line : slow_split(list_, '\n')) {
        const std::string text = slow_split(line, ' ').front();
        if (!text.empty()) elements.emplace_back(*parse_net(text));
    }
    return Value(std::move(elements));
}

// --- when is it known ---

SlowInterpreter::Need SlowInterpreter::joined(const std::vector<Need>& needs, bool any) {
    Need out{!any, Stage::constant};
    for (const Need& need : needs) {
        if (need.constant == any) return need;
        if (need.constant) continue;
        out.constant.reset();
        out.stage = std::max(out.stage, need.stage);
    }
    return out;
}

SlowInterpreter::Need SlowInterpreter::need_of_operand(const Expr& expr, const Place& place) const {
    if (expr.kind == Expr::Kind::lookup) return need_of_operand(expr.args[0], place);
    if (expr.kind == Expr::Kind::set) {
        Need out;
        for (const Expr& arg : expr.args) out.stage = std::max(out.stage, need_of_operand(arg, place).stage);
        return out;
    }
    if (expr.kind != Expr::Kind::path) return {};
    const std::string name = expr.path.text();
    if (known(name, place)) return {{}, stage_of_name(name, place)};
    const auto* value = std::get_if<Expr>(&let(name, place)->value);
    return value ? need_of_operand(*value, place) : Need{};
}

SlowInterpreter::Need SlowInterpreter::need(const Expr& expr, const Place& place) const {
    std::vector<Need> needs;
    if (expr.kind == Expr::Kind::path && !known(expr.path.text(), place)) {
        const Expr& value = std::get<Expr>(let(expr.path.text(), place)->value);
        if (is_condition(value) || value.kind == Expr::Kind::path) return need(value, place);
    }
    if (expr.kind == Expr::Kind::all_of || expr.kind == Expr::Kind::any_of) {
        for (const Expr& arg : expr.args) needs.push_back(need(arg, place));
        return joined(needs, expr.kind == Expr::Kind::any_of);
    }
    if (expr.kind == Expr::Kind::negation) {
        Need out = need(expr.args[0], place);
        if (out.constant) out.constant = !*out.constant;
        return out;
    }
    const bool compares = expr.kind == Expr::Kind::comparison;
    if (compares && expr.op == ast::CompareOp::in && expr.args[1].kind == Expr::Kind::set &&
        need_of_operand(expr.args[1], place).stage != Stage::constant) {
        // Each element is a comparison of its own.
        for (const Expr& element : expr.args[1].args) {
            const Stage stage =
                std::max(need_of_operand(expr.args[0], place).stage, need_of_operand(element, place).stage);
            Expr one = expr;
            one.args[1].args = {element};
            needs.push_back(stage == Stage::constant ? Need{holds(one, place), stage} : Need{{}, stage});
        }
        return joined(needs, true);
    }
    Need out = need_of_operand(compares ? expr.args[0] : expr, place);
    if (compares) out.stage = std::max(out.stage, need_of_operand(expr.args[1], place).stage);
    if (out.stage == Stage::constant) out.constant = holds(expr, place);
    return out;
}

SlowInterpreter::Need SlowInterpreter::need_of_rule(const ast::Rule& rule, const Place& place,
                                                    bool channels) const {
    if (rule.tail.on.empty() || !channels)
        return rule.tail.condition ? need(*rule.tail.condition, place) : Need{true, Stage::constant};
    std::vector<Need> any;
    for (const ast::ChannelPattern& pattern : rule.tail.on) {
        const bool every =
            pattern.segments.size() == 1 && pattern.segments[0].kind == ast::Segment::Kind::rest;
        std::vector<Need> both{every ? Need{true, Stage::constant} : Need{{}, Stage::channel}};
        Place inner = place;
        for (const ast::Segment& segment : pattern.segments) {
            if (segment.kind == ast::Segment::Kind::capture)
                inner.captures.push_back({std::string(segment.capture.text), Value(std::string())});
        }
        if (rule.tail.condition) both.push_back(need(*rule.tail.condition, inner));
        any.push_back(joined(both, false));
    }
    return joined(any, true);
}

// --- channels ---

std::string SlowInterpreter::insert(const ast::Path& path, const Place& place) const {
    Expr expr;
    expr.kind = Expr::Kind::path;
    expr.path = path;
    const Value value = evaluate(expr, place);
    if (const auto* text = std::get_if<std::string>(&value.held)) return *text;
    return std::to_string(std::get<int64_t>(value.held));
}

bool SlowInterpreter::matches(const ast::ChannelPattern& pattern, const Place& place,
                              std::vector<SlowInput::Field>& captures) const {
    const std::vector<std::string> parts = slow_split(place.input->channel, '/');
    for (size_t i = 0; i < pattern.segments.size(); ++i) {
        const ast::Segment& segment = pattern.segments[i];
        if (i >= parts.size()) return false;
        if (segment.kind == ast::Segment::Kind::rest) return true;
        if (segment.kind == ast::Segment::Kind::text && parts[i] != segment.text) return false;
        if (segment.kind == ast::Segment::Kind::insert) {
            const std::string text = slow_escape(insert(segment.insert, place));
            if (!slow_segment(text) || parts[i] != text) return false;
        }
        if (segment.kind == ast::Segment::Kind::capture) {
            if (!slow_capture(segment.narrow ? segment.narrow->text : "", parts[i])) return false;
            captures.push_back({std::string(segment.capture.text), Value(parts[i])});
        }
    }
    return parts.size() == pattern.segments.size();
}

std::optional<std::string> SlowInterpreter::channel(const ast::ChannelPattern& pattern,
                                                    const Place& place) const {
    std::string out;
    for (const ast::Segment& segment : pattern.segments) {
        const bool inserted = segment.kind == ast::Segment::Kind::insert;
        const std::string part =
            inserted ? slow_escape(insert(segment.insert, place)) : std::string(segment.text);
        if (!slow_segment(part)) return std::nullopt;
        out += (&segment == &pattern.segments.front() ? "" : "/") + part;
    }
    if (out.size() > 255) return std::nullopt;
    return out;
}

// --- decisions ---

bool SlowInterpreter::rule_holds(const ast::Rule& rule, const Place& place, bool channels) const {
    if (rule.tail.on.empty() || !channels) return !rule.tail.condition || holds(*rule.tail.condition, place);
    return std::any_of(rule.tail.on.begin(), rule.tail.on.end(), [&](const ast::ChannelPattern& pattern) {
        Place inner = place;
        return matches(pattern, place, inner.captures) &&
               (!rule.tail.condition || holds(*rule.tail.condition, inner));
    });
}

void SlowInterpreter::consider(const ast::Rule& rule, const Place& place, bool channels,
                               std::vector<Holding>& holding) const {
    if (rule_holds(rule, place, channels))
        holding.push_back({&rule, need_of_rule(rule, place, channels).stage});
}

// A deny speaks before every allow; of several the one that needs the least, then the earlier one. A backend
// is asked about what nothing else allows: the first by defaults, used policies and the route, as they come
// here.
SlowVerdict SlowInterpreter::verdict(std::vector<Holding> holding) const {
    if (holding.empty()) return {};
    const auto rank = [](const Holding& one) {
        const bool asks = one.rule->tail.by.has_value();
        return std::tuple(one.rule->allow, asks, one.rule->allow ? Stage::constant : one.stage,
                          asks ? 0 : one.rule->span.file, asks ? 0 : one.rule->span.begin);
    };
    const auto first =
        std::min_element(holding.begin(), holding.end(),
                         [&](const Holding& a, const Holding& b) { return rank(a) < rank(b); });
    return {first->rule->allow, sources_.place(first->rule->span)};
}

SlowVerdict SlowInterpreter::decide(std::string_view route, Action action, const SlowInput& input) const {
    const bool channels = action != Action::connect && action != Action::message;
    std::vector<Holding> holding;
    for (const Part& part : parts(route)) {
        for (const ast::Rule* rule : all_of_kind<ast::Rule>(*part.members)) {
            for (const ast::ActionName& name : rule->actions) {
                if (name.action != action) continue;
                consider(*rule, {part.members, nullptr, &input, {}}, channels, holding);
                break;
            }
        }
    }
    return verdict(std::move(holding));
}

const ast::Message* SlowInterpreter::message(std::string_view route, std::string_view type) const {
    const ast::Message* best = nullptr;
    size_t longest = 0;
    for (const Part& part : parts(route)) {
        for (const ast::Message* message : all_of_kind<ast::Message>(*part.members)) {
            for (const ast::MessageType& one : message->types) {
                const std::string_view text = one.text;
                if (text == type) return message;
                const bool star = text.ends_with("*") && type.starts_with(text.substr(0, text.size() - 1)) &&
                                  type.size() >= text.size();
                if (star && text.size() > longest) best = message, longest = text.size();
            }
        }
    }
    return best;
}

SlowVerdict SlowInterpreter::decide(std::string_view route, const ast::Message& message,
                                    const SlowInput& input) const {
    std::vector<Holding> holding;
    for (const Part& part : parts(route)) {
        const Place place{part.members, nullptr, &input, {}};
        for (const ast::Rule* rule : all_of_kind<ast::Rule>(*part.members)) {
            const bool mine =
                std::any_of(rule->actions.begin(), rule->actions.end(),
                            [](const ast::ActionName& name) { return name.action == Action::message; });
            if (mine) consider(*rule, place, false, holding);
        }
        for (const ast::Message* one : all_of_kind<ast::Message>(*part.members)) {
            if (one != &message) continue;
            for (const ast::Rule* rule : all_of_kind<ast::Rule>(message.members))
                consider(*rule, {part.members, &message, &input, {}}, false, holding);
        }
    }
    return verdict(std::move(holding));
}

// --- what follows from them ---

SlowInterpreter::Channels SlowInterpreter::joins(std::string_view route, const SlowInput& input) const {
    Channels out;
    for (const Part& part : parts(route)) {
        const Place place{part.members, nullptr, &input, {}};
        for (const ast::Join* join : all_of_kind<ast::Join>(*part.members)) {
            const bool wanted = !join->condition || holds(*join->condition, place);
            for (const ast::ChannelPattern& pattern : join->channels)
                out.push_back(wanted ? channel(pattern, place) : std::nullopt);
        }
    }
    return out;
}

SlowInterpreter::Channels SlowInterpreter::publications(std::string_view route, const ast::Message& message,
                                                        const SlowInput& input) const {
    Channels out;
    for (const Part& part : parts(route)) {
        for (const ast::Message* one : all_of_kind<ast::Message>(*part.members)) {
            if (one != &message) continue;
            const Place place{part.members, &message, &input, {}};
            for (const ast::PublishTo* publish : all_of_kind<ast::PublishTo>(message.members)) {
                const bool wanted = !publish->condition || holds(*publish->condition, place);
                for (const ast::ChannelPattern& pattern : publish->channels)
                    out.push_back(wanted ? channel(pattern, place) : std::nullopt);
            }
        }
    }
    return out;
}

std::vector<SlowInterpreter::Stream> SlowInterpreter::streams(std::string_view route,
                                                              const SlowInput& input) const {
    std::vector<Stream> out;
    std::vector<Holding> denied;  // by what is said of all messages
    for (const Part& part : parts(route)) {
        for (const ast::Rule* rule : all_of_kind<ast::Rule>(*part.members)) {
            const bool mine =
                std::any_of(rule->actions.begin(), rule->actions.end(),
                            [](const ast::ActionName& name) { return name.action == Action::message; });
            if (mine && !rule->allow) consider(*rule, {part.members, nullptr, &input, {}}, false, denied);
        }
    }
    for (const Part& part : parts(route)) {
        const Place place{part.members, nullptr, &input, {}};
        for (const ast::Stream* stream : all_of_kind<ast::Stream>(*part.members)) {
            std::vector<Holding> holding = denied;
            for (const ast::Rule* rule : all_of_kind<ast::Rule>(stream->members))
                consider(*rule, place, false, holding);
            out.push_back(
                {!stream->condition || holds(*stream->condition, place), verdict(std::move(holding))});
        }
    }
    return out;
}

template <class Kind>
SlowInterpreter::Conditions SlowInterpreter::conditions(std::string_view route, const ast::Message& message,
                                                        const SlowInput& input) const {
    Conditions out;
    for (const Part& part : parts(route)) {
        for (const ast::Message* one : all_of_kind<ast::Message>(*part.members)) {
            if (one != &message) continue;
            const Place place{part.members, &message, &input, {}};
            for (const Kind* kind : all_of_kind<Kind>(message.members))
                out.push_back(!kind->condition || holds(*kind->condition, place));
        }
    }
    return out;
}

SlowInterpreter::Conditions SlowInterpreter::forwards(std::string_view route, const ast::Message& message,
                                                      const SlowInput& input) const {
    return conditions<ast::Forward>(route, message, input);
}

SlowInterpreter::Conditions SlowInterpreter::replies(std::string_view route, const ast::Message& message,
                                                     const SlowInput& input) const {
    return conditions<ast::Reply>(route, message, input);
}

SlowInterpreter::Conditions SlowInterpreter::proxies(std::string_view route, const SlowInput& input) const {
    Conditions out;
    for (const Part& part : parts(route)) {
        for (const ast::Proxy* proxy : all_of_kind<ast::Proxy>(*part.members))
            out.push_back(!proxy->condition || holds(*proxy->condition, {part.members, nullptr, &input, {}}));
    }
    return out;
}

SlowInterpreter::Amounts SlowInterpreter::limits(std::string_view route, const SlowInput& input) const {
    Amounts out;
    for (const Part& part : parts(route)) {
        const Place place{part.members, nullptr, &input, {}};
        for (const ast::Limit* limit : all_of_kind<ast::Limit>(*part.members)) {
            const bool counts = !limit->tail.condition || holds(*limit->tail.condition, place);
            out.push_back(counts ? std::optional(evaluate(limit->to, place)) : std::nullopt);
        }
    }
    return out;
}

}  // namespace wayleave::tests
