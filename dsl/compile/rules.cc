// Rules, joins and limits of a route.
#include <algorithm>

#include "dsl/compile/route.h"
#include "dsl/compile/rule_linker.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

const Context rule_at_connect{true, false, false, "at connect"};
const Context at_arrival{true, false, false, "at a handshake"};
const Context at_subscribe{true, true, false, "at subscribe"};
const Context at_publish{true, true, true, "at publish"};
const Context rule_at_message{true, false, true, "at a message"};

bool concerns(const ast::Rule& rule, Action action) {
    return std::any_of(rule.actions.begin(), rule.actions.end(),
                       [&](const ast::ActionName& name) { return name.action == action; });
}

// An amount that lets at least one pass, and counts what the meter counts.
bool lets_pass(const Value& amount, bool bytes) {
    if (const auto* rate = std::get_if<Rate>(&amount.held)) return rate->bytes == bytes && rate->count >= 1;
    const auto* number = std::get_if<int64_t>(&amount.held);
    return !number || *number >= 1;
}

// FNV-1a over what a limit counts, not over how much it permits: a new rate keeps the old count.
std::string identity_of(const ast::Limit& limit, std::string_view scope, std::string_view condition) {
    std::string text(to_string(limit.meter));
    const auto add = [&](std::string_view part) { text.append(1, '\xff').append(part); };
    add(scope);
    for (const ast::Path& path : limit.per) add(path.text());
    add(condition);
    return text;
}

SegmentNames segment_names(const ast::Tail& tail) {
    SegmentNames out;
    for (const ast::ChannelPattern& pattern : tail.on) {
        for (size_t i = 0; i < pattern.segments.size(); ++i) {
            if (pattern.segments[i].kind != ast::Segment::Kind::capture) continue;
            const std::string name(pattern.segments[i].capture.text);
            const auto [it, fresh] = out.emplace(i, name);
            if (!fresh && it->second != name) it->second.clear();
        }
    }
    return out;
}

}  // namespace

// --- decisions ---

void RouteCompiler::compile_decisions() {
    for (const BodyPart& part : parts_) {
        each<ast::Rule>(*part.members, [&](const ast::Rule& rule) {
            check_then(rule);
            check_with(rule, part);
            check_by(rule, part);
            for (const Action action : {Action::connect, Action::disconnect}) {
                if (!concerns(rule, action) || rule.tail.on.empty()) continue;
                diagnostics_.error("E004", rule.tail.on.front().span,
                                   "`on` has no meaning for " + std::string(to_string(action)),
                                   "it is about a connection, not about a channel");
            }
            if (concerns(rule, Action::message) && !rule.tail.on.empty()) {
                diagnostics_.error("E004", rule.tail.on.front().span, "`on` has no meaning for message",
                                   "a message has a type, not a channel");
            }
        });
    }
    route_->connect = decision(Action::connect, rule_at_connect);
    route_->subscribe = decision(Action::subscribe, at_subscribe);
    route_->publish = decision(Action::publish, at_publish);
    route_->presence = decision(Action::presence, at_subscribe);
    route_->history = decision(Action::history, at_subscribe);
    route_->disconnect = decision(Action::disconnect, rule_at_connect);
}

RootId RouteCompiler::decision(Action action, const Context& context) {
    std::vector<Candidate> denies;
    std::vector<Candidate> allows;
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Rule>(*part.members, [&](const ast::Rule& rule) {
            if (concerns(rule, action)) add_candidate(rule, names, context, denies, allows);
        });
    }
    return link_decision(std::move(denies), std::move(allows));
}

void RouteCompiler::add_candidate(const ast::Rule& rule, const Names& names, const Context& context,
                                  std::vector<Candidate>& denies, std::vector<Candidate>& allows) {
    Condition condition = rule_condition(rule, names, context);
    const Stage stage = stage_of(condition);
    (rule.allow ? allows : denies).push_back({&rule, std::move(condition), stage});
}

// Several denies may hold: the first by stage, then by file and line, gives the reason.
RootId RouteCompiler::link_decision(std::vector<Candidate> denies, std::vector<Candidate> allows,
                                    NodeId otherwise) {
    const auto place = [](const Candidate& c) { return std::pair(c.rule->span.file, c.rule->span.begin); };
    std::stable_sort(denies.begin(), denies.end(), [&](const Candidate& a, const Candidate& b) {
        return std::pair(a.stage, place(a)) < std::pair(b.stage, place(b));
    });
    // A backend is asked only about what nothing else allows. Which one is asked must not depend on the names
    // of files: they stay in the order of defaults, used policies and the route's own lines.
    std::stable_sort(allows.begin(), allows.end(), [&](const Candidate& a, const Candidate& b) {
        const bool asks = a.rule->tail.by.has_value();
        if (asks != b.rule->tail.by.has_value()) return !asks;
        return !asks && place(a) < place(b);
    });
    std::vector<RuleLinker::Rule> rules;
    for (const std::vector<Candidate>* list : {&denies, &allows}) {
        for (const Candidate& candidate : *list)
            rules.push_back({candidate.condition, rule_verdict(*candidate.rule)});
    }
    const RootId root = builder_.root(RuleLinker(builder_).link(std::move(rules), otherwise));
    std::vector<Clause> clauses;
    for (std::vector<Candidate>* list : {&denies, &allows}) {
        for (Candidate& candidate : *list) {
            const NodeId verdict = rule_verdict(*candidate.rule) & ~verdict_bit;
            clauses.push_back(
                {verdict - 2, std::move(candidate.condition), segment_names(candidate.rule->tail)});
        }
    }
    remember_clauses(root, std::move(clauses));
    return root;
}

void RouteCompiler::remember_clauses(RootId root, std::vector<Clause> clauses) {
    if (route_->clauses.size() <= root) route_->clauses.resize(root + 1);
    route_->clauses[root] = std::move(clauses);
}

RootId RouteCompiler::condition_root(Condition condition) {
    const RootId root = builder_.root(condition);
    std::vector<Clause> clauses;
    clauses.push_back({Clause::no_rule, std::move(condition)});
    remember_clauses(root, std::move(clauses));
    return root;
}

Condition RouteCompiler::rule_condition(const ast::Rule& rule, const Names& outer, const Context& context) {
    const auto grant = grant_named(rule);
    const Names names = grant ? with_claims(outer, *grant) : outer;
    if (rule.tail.on.empty() || !context.channel) {
        std::vector<Condition> all;
        add_conditions(rule, names, context, all);
        return Condition::all_of(std::move(all));
    }
    // Each pattern has captures of its own, so the condition is checked beside each.
    std::vector<Condition> any;
    for (const ast::ChannelPattern& pattern : rule.tail.on)
        any.push_back(on_condition(pattern, rule, names, context));
    return Condition::any_of(std::move(any));
}

Condition RouteCompiler::on_condition(const ast::ChannelPattern& pattern, const ast::Rule& rule, Names names,
                                      const Context& context) {
    const Pattern compiled = channel_pattern(pattern, names, context, false, &names);
    const bool everything = compiled.size() == 1 && compiled.front().kind == PatternSegment::Kind::rest;
    std::vector<Condition> both;
    if (!everything) {
        Atom atom{Test::channel_is, {}, {}, Stage::channel};
        atom.left.index = builder_.pattern(compiled);
        both.push_back(Condition::test(builder_.atom(atom)));
    }
    add_conditions(rule, names, context, both);
    return Condition::all_of(std::move(both));
}

// What a rule asks beside its channels.
void RouteCompiler::add_conditions(const ast::Rule& rule, const Names& names, const Context& context,
                                   std::vector<Condition>& out) {
    note_asked(rule, names, context);
    if (const auto grant = grant_named(rule)) out.push_back(brought(*grant));
    if (!rule.tail.condition) return;
    ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
    out.push_back(checker.condition(*rule.tail.condition, context));
}

Pattern RouteCompiler::channel_pattern(const ast::ChannelPattern& pattern, const Names& names,
                                       const Context& context, bool is_template, Names* captures) {
    Pattern out;
    if (pattern.segments.size() > max_channel_segments) {
        diagnostics_.error("E001", pattern.span, "a channel has at most 16 segments");
        return out;
    }
    Names added;  // captures are seen by the condition, not by inserts beside them
    for (const ast::Segment& segment : pattern.segments) {
        if (segment.kind == ast::Segment::Kind::rest && &segment != &pattern.segments.back()) {
            diagnostics_.error("E001", segment.span, "`**` stands at the end only");
        }
        out.push_back(channel_segment(segment, names, context, is_template));
        if (segment.kind != ast::Segment::Kind::capture || !captures) continue;
        const Operand operand{Operand::From::attribute, Attribute::channel_segment,
                              static_cast<uint16_t>(out.size() - 1), 0};
        const Symbol symbol{operand, {Kind::string, Shape::one}, Stage::channel};
        const bool taken =
            builtin(segment.capture.text) != nullptr || names.symbols.contains(segment.capture.text);
        if (taken || !added.symbols.emplace(segment.capture.text, symbol).second) {
            diagnostics_.error("E005", segment.span,
                               quoted(segment.capture.text) + " means something else already", {},
                               "choose another name for the capture");
        }
    }
    if (captures) captures->symbols.merge(added.symbols);
    return out;
}

PatternSegment RouteCompiler::channel_segment(const ast::Segment& segment, const Names& names,
                                              const Context& context, bool is_template) {
    PatternSegment out;
    switch (segment.kind) {
        case ast::Segment::Kind::text:
            out.text = std::string(segment.text);
            if (!is_channel_segment(segment.text)) {
                diagnostics_.error("E001", segment.span,
                                   quoted(segment.text) + " cannot be a segment of a channel");
            }
            return out;
        case ast::Segment::Kind::any: out.kind = PatternSegment::Kind::any; break;
        case ast::Segment::Kind::rest: out.kind = PatternSegment::Kind::rest; break;
        case ast::Segment::Kind::capture: {
            out.kind = PatternSegment::Kind::capture;
            const auto type = segment.narrow ? capture_type(segment.narrow->text) : CaptureType::any;
            out.type = type.value_or(CaptureType::any);
            if (!type) {
                diagnostics_.error("E002", segment.narrow->span,
                                   "a capture cannot be " + quoted(segment.narrow->text), {},
                                   "int, slug, uuid, hex and date are the types of captures");
            }
            break;
        }
        case ast::Segment::Kind::insert: {
            out.kind = PatternSegment::Kind::insert;
            Context without_channel = context;
            without_channel.channel = false;  // the channel's own name cannot depend on itself
            ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
            const auto typed = checker.path(segment.insert, without_channel);
            if (!typed) return out;
            out.insert = typed->operand;
            if (typed->type != Type{Kind::string, Shape::one} &&
                typed->type != Type{Kind::integer, Shape::one}) {
                diagnostics_.error("E003", segment.span,
                                   "a segment is a string or an int, this is " + a_type(typed->type));
            }
            return out;
        }
    }
    if (is_template) {
        diagnostics_.error("E001", segment.span, "one channel is named here, so it has no wildcard", {},
                           "`{name}` inserts a value");
    }
    return out;
}

NodeId RouteCompiler::rule_verdict(const ast::Rule& rule) {
    const auto [it, fresh] = verdicts_.try_emplace(&rule, verdict(route_->rules.size()));
    if (!fresh) return it->second;
    RuleInfo info;
    info.allow = rule.allow;
    info.span = rule.span;
    if (rule.tail.because) info.because = rule.tail.because->text;
    if (rule.tail.then) info.then = compile_outcome(*rule.tail.then, diagnostics_);
    info.place = context_.sources.place(rule.span);
    info.grant = grant_named(rule);
    if (const auto asked = asked_.find(&rule); asked != asked_.end()) info.by = asked->second;
    route_->rules.push_back(std::move(info));
    return it->second;
}

void RouteCompiler::check_then(const ast::Rule& rule) {
    if (!rule.tail.then) return;
    if (rule.allow) {
        diagnostics_.error("E019", rule.tail.then->span, "`then` says how to refuse, and this rule allows");
        return;
    }
    // An api answers every request with a status. What a policy of routes says of closing is nothing to it.
    const bool handshake = route_->api || concerns(rule, Action::connect);
    const bool session = rule.actions.empty() || concerns(rule, Action::subscribe) ||
                         concerns(rule, Action::publish) || concerns(rule, Action::message) ||
                         concerns(rule, Action::presence) || concerns(rule, Action::history);
    const auto kind = rule.tail.then->kind;
    if (kind == OutcomeKind::status && !handshake) {
        diagnostics_.error("E019", rule.tail.then->span, "the handshake is over: there is no status to send",
                           {}, "write `close N` or `error \"name\"`");
    }
    if (kind == OutcomeKind::close && !session) {
        diagnostics_.error("E019", rule.tail.then->span, "there is no connection yet that could be closed",
                           {}, "write `status N`");
    }
}

Stage RouteCompiler::stage_of(const Condition& condition) const {
    if (condition.kind == Condition::Kind::constant) return Stage::constant;
    if (condition.kind == Condition::Kind::atom) return builder_.program().atoms[condition.atom].stage;
    Stage stage = Stage::constant;
    for (const Condition& arg : condition.args) stage = std::max(stage, stage_of(arg));
    return stage;
}

RootId RouteCompiler::optional_condition(const std::optional<ast::Expr>& condition, const Names& names,
                                         const Context& context) {
    if (!condition) return condition_root(Condition::constant(true));
    ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
    return condition_root(checker.condition(*condition, context));
}

// --- joins ---

void RouteCompiler::compile_joins() {
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Join>(*part.members, [&](const ast::Join& join) {
            const RootId condition = optional_condition(join.condition, names, rule_at_connect);
            for (const ast::ChannelPattern& channel : join.channels) {
                route_->joins.push_back(
                    {channel_pattern(channel, names, rule_at_connect, true, nullptr), condition});
            }
        });
    }
}

// --- limits ---

void RouteCompiler::compile_limits() {
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Limit>(*part.members, [&](const ast::Limit& ast) {
            if (auto made = limit(ast, names, "")) route_->limits.push_back(std::move(*made));
        });
    }
}

std::optional<Limit> RouteCompiler::limit(const ast::Limit& limit, const Names& names,
                                          const std::string& scope) {
    if (!scope.empty() && limit.meter != Meter::messages && limit.meter != Meter::bytes) {
        diagnostics_.error("E004", limit.meter_span, "a message block limits messages and bytes only");
        return std::nullopt;
    }
    Limit out;
    if (limit.on_excess) {
        if (limit.meter != Meter::connections || !has_word("refuse replace_oldest", limit.on_excess->text)) {
            diagnostics_.error("E001", limit.on_excess->span, "`on excess` is `refuse` or `replace_oldest`",
                               "of a limit on connections");
        }
        out.replace_oldest = limit.on_excess->text == "replace_oldest";
    }
    if (!limit.tail.on.empty()) {
        diagnostics_.error("E001", limit.tail.on.front().span, "a limit has no `on`", {},
                           "use `if channel like \"…\"`");
    }
    const bool messages = limit.meter != Meter::connects && limit.meter != Meter::connections;
    const Context& context = limit.meter == Meter::subscriptions ? at_subscribe
                             : messages                          ? rule_at_message
                             : limit.meter == Meter::connects    ? at_arrival
                                                                 : rule_at_connect;
    out.meter = limit.meter;
    out.stage = Stage::arrival;
    if (!limit_value(limit, names, context, out)) return std::nullopt;
    for (const ast::Path& path : limit.per) {
        if (path.text() == "connection") {
            if (!messages)
                diagnostics_.error("E004", path.span,
                                   "`connection` is not known " + std::string(context.when));
            out.per.push_back({Operand::From::attribute, Attribute::connection, 0, 0});
            continue;
        }
        ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
        const auto typed = checker.path(path, context);
        if (!typed) continue;
        if (typed->type.shape != Shape::one) {
            diagnostics_.error("E003", path.span,
                               "a limit counts per single value, this is " + a_type(typed->type));
        }
        out.per.push_back(typed->operand);
        out.stage = std::max(out.stage, typed->stage);
    }
    Condition condition = Condition::constant(true);
    if (limit.tail.condition) {
        ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
        condition = checker.condition(*limit.tail.condition, context);
    }
    out.stage = std::max(out.stage, stage_of(condition));
    out.condition = condition_root(std::move(condition));
    if (limit.tail.because) out.because = limit.tail.because->text;
    if (limit.tail.then) out.then = compile_outcome(*limit.tail.then, diagnostics_);
    if (out.then && !route_->api && !possible(*out.then, messages ? Phase::session : Phase::handshake)) {
        diagnostics_.error("E019", limit.tail.then->span,
                           messages ? "the handshake is over: there is no status to send"
                                    : "there is no connection yet that could be closed");
    }
    out.place = context_.sources.place(limit.span);
    const std::string_view condition_text =
        limit.tail.condition ? context_.sources.text(limit.tail.condition->span) : std::string_view();
    out.identity = own_identity(identity_of(limit, scope, condition_text));
    return out;
}

// Two that count the same count apart: 10/s and 1000/d are both meant.
uint64_t RouteCompiler::own_identity(std::string_view what) {
    uint64_t hash = 0xcbf29ce484222325;
    const auto mix = [&](std::string_view text) {
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        hash = (hash ^ 0xff) * 0x100000001b3;
    };
    // A route is its address: another name counts on where it was.
    mix(route_->addresses.empty() ? route_->name : route_->addresses.front());
    mix(what);
    uint64_t& step = identity_steps_[hash];
    while (!identities_.insert(hash + step).second) ++step;
    return hash + step;
}

bool RouteCompiler::limit_value(const ast::Limit& limit, const Names& names, const Context& context,
                                Limit& out) {
    ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
    const auto typed = checker.operand(limit.to, context);
    if (!typed) return false;
    const bool count = limit.meter == Meter::connections || limit.meter == Meter::subscriptions;
    const bool bytes = limit.meter == Meter::bytes;
    if (typed->type != Type{count ? Kind::integer : Kind::rate, Shape::one}) {
        diagnostics_.error("E003", limit.to.span,
                           count   ? std::string(to_string(limit.meter)) + " are limited to a number"
                           : bytes ? "bytes are limited to a rate, such as 64kb/s"
                                   : "this is limited to a rate, such as 20/s",
                           "this is " + a_type(typed->type));
        return false;
    }
    std::vector<Value> amounts;
    if (typed->value) amounts.push_back(*typed->value);
    if (typed->operand.from == Operand::From::lookup) {
        const Lookup& lookup = builder_.program().lookups[typed->operand.index];
        amounts.push_back(lookup.otherwise);
        for (const auto& [key, value] : lookup.entries) amounts.push_back(value);
    }
    for (const Value& amount : amounts) {
        if (lets_pass(amount, bytes)) continue;
        const auto* rate = std::get_if<Rate>(&amount.held);
        if (rate && rate->bytes != bytes) {
            diagnostics_.error("E003", limit.to.span,
                               bytes ? "bytes are limited to a rate such as 64kb/s"
                                     : quoted(to_string(limit.meter)) + " are counted, not weighed",
                               {}, bytes ? "" : "`limit bytes` limits bytes");
        } else {
            diagnostics_.error("E003", limit.to.span, "a limit lets at least one pass", {},
                               "to refuse everything write `deny`");
        }
        return false;
    }
    out.to = typed->operand;
    out.stage = std::max(out.stage, typed->stage);
    if (!limit.burst) return true;
    const bool whole = limit.burst->type == Type{Kind::integer, Shape::one} ||
                       (bytes && limit.burst->type == Type{Kind::size, Shape::one});
    if (count || !whole || std::get<int64_t>(limit.burst->value.held) < 1) {
        diagnostics_.error("E003", limit.burst->span,
                           count   ? "a number of connections has no burst"
                           : bytes ? "a burst of bytes is a size such as 4kb, or a number of at least 1"
                                   : "a burst is a number of at least 1");
        return false;
    }
    out.burst = std::get<int64_t>(limit.burst->value.held);
    return true;
}

}  // namespace wayleave::dsl
