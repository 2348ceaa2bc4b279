// Streams, proxies, notifications, bans and aliases of a route.
#include <algorithm>

#include "dsl/compile/route.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

const Context at_connect{true, false, false, "at connect"};
const Context at_stream{true, false, true, "at a message of a stream"};
// A ban is told by what it is counted for; the client's claims are known for some refusals only.
const Context at_refusal{true, false, false, "when something is refused"};

constexpr int64_t longest_grace_ms = 3'600'000;
constexpr int64_t longest_ban_ms = 30LL * 24 * 3600 * 1000;

}  // namespace

void RouteCompiler::compile_streams() {
    std::map<std::string_view, Span> seen;
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Stream>(*part.members, [&](const ast::Stream& stream) {
            const auto [it, fresh] = seen.emplace(stream.name.text, stream.name.span);
            if (!fresh) {
                auto& diagnostic = diagnostics_.error(
                    "E005", stream.name.span, "the stream " + quoted(stream.name.text) + " is defined twice");
                diagnostic.secondary.push_back({it->second, "first here"});
                return;
            }
            compile_stream(stream, names, part.lets.get());
        });
    }
    if (!route_->streams.empty() && route_->dialect == Dialect::echo)
        diagnostics_.error("E024", name_.span, "an echo route sends everything back: it has no streams");
}

void RouteCompiler::compile_stream(const ast::Stream& stream, const Names& outer, const Lets* around) {
    Names names = outer;
    Lets lets(around);
    each<ast::Let>(stream.members, [&](const ast::Let& let) {
        if (lets.add(let))
            diagnostics_.error("E005", let.name.span, quoted(let.name.text) + " is defined twice");
    });
    names.lets = &lets;
    Stream out;
    out.name = std::string(stream.name.text);
    out.place = context_.sources.place(stream.span);
    out.on_first_use = stream.on_first_use;
    out.condition = optional_condition(stream.condition, names, at_connect);
    each<ast::Setting>(stream.members, [&](const ast::Setting& setting) {
        if (setting.name.text != "max_message") {
            diagnostics_.error("E008", setting.name.span,
                               "there is no setting " + quoted(setting.name.text) + " in a stream", {},
                               "`max_message` is all there is");
            return;
        }
        const auto value =
            ValueReader(context_, lets).value(setting, *setting_row(Place::body, "max_message"));
        if (value) out.max_message = static_cast<size_t>(std::get<int64_t>(value->held));
    });
    compile_stream_rules(stream, names, out);
    each<ast::Limit>(stream.members, [&](const ast::Limit& ast) {
        if (auto made = limit(ast, names, "stream " + out.name)) out.limits.push_back(std::move(*made));
    });
    auto to = path_to(stream.backend, stream.path, names, at_connect);
    if (!to) return;
    out.to = std::move(*to);
    route_->streams.push_back(std::move(out));
}

// The line is the permission: what no deny of the block or of the route forbids may pass.
void RouteCompiler::compile_stream_rules(const ast::Stream& stream, const Names& names, Stream& out) {
    std::vector<Candidate> denies;
    std::vector<Candidate> allows;
    each<ast::Rule>(stream.members, [&](const ast::Rule& rule) {
        check_then(rule);
        if (rule.allow) {
            diagnostics_.error("E004", rule.span, "`allow` has no meaning in a stream",
                               "the statement is the permission, and its block narrows it");
            return;
        }
        if (!rule.tail.on.empty())
            diagnostics_.error("E004", rule.tail.on.front().span, "`on` has no meaning for a stream",
                               "its messages are in no channel");
        add_candidate(rule, names, at_stream, denies, allows);
    });
    denies.insert(denies.end(), message_denies_.begin(), message_denies_.end());
    out.decision = link_decision(std::move(denies), {}, always);
}

void RouteCompiler::compile_proxies() {
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Proxy>(*part.members, [&](const ast::Proxy& proxy) {
            const RootId condition = optional_condition(proxy.condition, names, at_connect);
            const ast::Text path = proxy.path.value_or(ast::Text{"/", proxy.backend.span});
            auto to = path_to(proxy.backend, path, names, at_connect);
            if (!to) return;
            if (!proxy.path) to->path.clear();
            if (proxy.path && proxy.path->text.find('?') != std::string::npos)
                diagnostics_.error("E003", proxy.path->span, "the path of a `proxy` has no query",
                                   "the client's own query goes behind it");
            route_->proxies.push_back(
                {std::move(*to), proxy.http, condition, context_.sources.place(proxy.span)});
        });
    }
    if (!route_->proxies.empty()) check_proxied();
}

// Nobody looks into what such a route's clients say.
void RouteCompiler::check_proxied() {
    const bool more = !route_->messages.empty() || !route_->joins.empty() || !route_->streams.empty();
    if (more || route_->dialect != Dialect::native) {
        diagnostics_.error(
            "E024", name_.span,
            "a route with `proxy` hands everything over: it has no messages, channels or streams");
    }
    for (const std::string_view name :
         {"max_message", "max_fragments", "compression", "ping_every", "pong_timeout", "subprotocols"}) {
        const auto set = chosen_.find(name);
        if (set == chosen_.end() || set->second.part->from != BodyPart::From::own) continue;
        diagnostics_.error("E008", set->second.setting->name.span,
                           quoted(std::string(name)) + " has no meaning beside `proxy`",
                           "what client and backend say to each other is not looked at");
    }
    each<ast::Limit>(members_, [&](const ast::Limit& limit) {
        if (limit.meter == Meter::connects || limit.meter == Meter::connections) return;
        diagnostics_.error("E004", limit.meter_span,
                           quoted(std::string(to_string(limit.meter))) + " are not counted beside `proxy`",
                           "what client and backend say to each other is not looked at");
    });
}

void RouteCompiler::compile_notifies() {
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Notify>(*part.members, [&](const ast::Notify& notify) {
            Notify out;
            for (const ast::Name& event : notify.events) {
                if (std::find(out.events.begin(), out.events.end(), event.text) != out.events.end())
                    diagnostics_.error("E020", event.span, quoted(event.text) + " stands twice");
                out.events.emplace_back(event.text);
            }
            std::sort(out.events.begin(), out.events.end());
            if (notify.after) out.after_ms = grace(notify);
            auto to = path_to(notify.backend, notify.path, names, at_connect);
            if (!to) return;
            out.to = std::move(*to);
            out.place = context_.sources.place(notify.span);
            route_->notifies.push_back(std::move(out));
        });
    }
}

// How long the end of a connection waits for its user to come back.
int64_t RouteCompiler::grace(const ast::Notify& notify) {
    const bool told = std::any_of(notify.events.begin(), notify.events.end(),
                                  [](const ast::Name& event) { return event.text == "disconnect"; });
    if (!told)
        diagnostics_.error("E027", notify.after->span, "`after` needs `disconnect` among the events",
                           "nothing else waits");
    const int64_t value = std::get<int64_t>(notify.after->value.held);
    if (value > longest_grace_ms) diagnostics_.error("E003", notify.after->span, "this is at most 1h");
    return value;
}

// --- bans ---

void RouteCompiler::compile_bans() {
    for (const BodyPart& part : parts_) {
        const Names names = names_for(part);
        each<ast::Ban>(*part.members, [&](const ast::Ban& ban) { compile_ban(ban, names); });
    }
}

std::optional<int64_t> RouteCompiler::ban_time(const ast::Literal& literal) {
    if (literal.type != Type{Kind::time, Shape::one}) {
        diagnostics_.error("E003", literal.span, "this is a time, such as 30s",
                           "this is " + a_type(literal.type));
        return std::nullopt;
    }
    const int64_t value = std::get<int64_t>(literal.value.held);
    if (value >= 1000 && value <= longest_ban_ms) return value;
    diagnostics_.error("E003", literal.span, "this is from 1s to 30d");
    return std::nullopt;
}

void RouteCompiler::compile_ban(const ast::Ban& ban, const Names& names) {
    Ban out;
    std::string identity = "ban";
    for (const ast::Path& path : ban.keys) {
        ExprChecker checker(context_.sources, context_.files, names, builder_, diagnostics_);
        const auto typed = checker.path(path, at_refusal);
        if (!typed) continue;
        if (typed->type.shape != Shape::one) {
            diagnostics_.error("E003", path.span,
                               "a ban is about a single value, this is " + a_type(typed->type));
        }
        out.keys.push_back(typed->operand);
        out.stage = std::max(out.stage, typed->stage);
        identity += " " + path.text();
    }
    out.duration_ms = ban_time(ban.duration).value_or(0);
    out.up_to_ms = ban.up_to ? ban_time(*ban.up_to).value_or(out.duration_ms) : out.duration_ms;
    if (out.up_to_ms < out.duration_ms) {
        diagnostics_.error("E003", ban.up_to->span, "the bound is less than the first ban");
    }
    out.per_ms = ban_time(ban.per).value_or(0);
    if (ban.after.type != Type{Kind::integer, Shape::one} || std::get<int64_t>(ban.after.value.held) < 1) {
        diagnostics_.error("E003", ban.after.span, "this is a number of at least 1");
    } else {
        out.after = std::get<int64_t>(ban.after.value.held);
    }
    out.counted = std::string(ban.counted.text);
    if (ban.because) out.because = ban.because->text;
    out.place = context_.sources.place(ban.span);
    out.identity = own_identity(identity + " " + out.counted);
    route_->bans.push_back(std::move(out));
}

// --- aliases ---

void RouteCompiler::compile_aliases() {
    for (const BodyPart& part : parts_) {
        each<ast::Alias>(*part.members, [&](const ast::Alias& alias) {
            if (part.from == BodyPart::From::own) return compile_alias(alias);
            diagnostics_.error("E001", alias.span, "an alias belongs to one route",
                               "two routes cannot have the same address");
        });
    }
}

void RouteCompiler::compile_alias(const ast::Alias& alias) {
    AliasAddress out;
    const size_t known = captures_.size();
    out.pattern = compile_address(alias.url, captures_, diagnostics_);
    out.span = alias.url.span;
    out.alias.address = std::string(context_.sources.text(alias.url.span));
    out.alias.place = context_.sources.place(alias.span);
    for (size_t i = known; i < captures_.size(); ++i) {
        diagnostics_.error("E007", captures_[i].span, "the route has no capture " + quoted(captures_[i].name),
                           {}, "`*` is any segment without a name");
    }
    captures_.resize(known);
    out.alias.captures.resize(known);
    for (const ast::Binding& binding : alias.where) bind(binding, out);
    std::vector<bool> caught(known);
    for (const auto* segments : {&out.pattern.host, &out.pattern.path}) {
        for (const AddressSegment& segment : *segments) {
            if (segment.slot >= 0 && static_cast<size_t>(segment.slot) < known)
                caught[static_cast<size_t>(segment.slot)] = true;
        }
    }
    for (size_t i = 0; i < known; ++i) {
        const bool bound = out.alias.captures[i].index() != 0;
        const std::string name(captures_[i].name);
        if (bound && caught[i]) {
            diagnostics_.error("E005", alias.span, quoted(name) + " is caught and bound");
        } else if (!bound && !caught[i]) {
            auto& diagnostic = diagnostics_.error(
                "E007", alias.url.span, "this address does not say what " + quoted(name) + " is", {},
                "catch it with `:" + name + "`, or write `where " + name + " = query \"" + name +
                    "\"` or a literal");
            diagnostic.secondary.push_back({captures_[i].span, "the route needs it"});
        }
    }
    if (alias.stream) {
        out.alias.stream = std::string(alias.stream->text);
        const bool exists = std::any_of(route_->streams.begin(), route_->streams.end(),
                                        [&](const Stream& s) { return s.name == alias.stream->text; });
        if (!exists) {
            std::vector<std::string_view> streams;
            for (const Stream& stream : route_->streams) streams.push_back(stream.name);
            const std::string_view near = near_name(alias.stream->text, streams);
            diagnostics_.misspelt("E002", alias.stream->span,
                                  "there is no stream " + quoted(alias.stream->text) + " in this route",
                                  near);
        }
    }
    if (alias.until) out.alias.until = std::get<int64_t>(alias.until->value.held);
    out_.aliases.push_back(std::move(out));
}

void RouteCompiler::bind(const ast::Binding& binding, AliasAddress& out) {
    const auto it =
        std::find_if(captures_.begin(), captures_.begin() + static_cast<ptrdiff_t>(out.alias.captures.size()),
                     [&](const CaptureName& known) { return known.name == binding.name.text; });
    const auto slot = static_cast<size_t>(it - captures_.begin());
    if (slot >= out.alias.captures.size()) {
        diagnostics_.error("E007", binding.name.span,
                           "the route has no capture " + quoted(binding.name.text));
        return;
    }
    auto& place = out.alias.captures[slot];
    if (place.index() != 0) {
        diagnostics_.error("E005", binding.name.span, quoted(binding.name.text) + " is bound twice");
        return;
    }
    if (const auto* source = std::get_if<ast::Source>(&binding.value)) {
        if (auto made = compile_source(context_, *source)) place = std::move(*made);
        return;
    }
    const auto& literal = std::get<ast::Literal>(binding.value);
    const Type wanted = value_type(it->type);
    if (literal.type != wanted) {
        diagnostics_.error(
            "E003", literal.span,
            quoted(binding.name.text) + " is " + a_type(wanted) + ", not " + a_type(literal.type));
        return;
    }
    const auto* text = std::get_if<std::string>(&literal.value.held);
    if (text && !accepts(it->type, *text)) {
        diagnostics_.error("E003", literal.span, quoted(*text) + " is no value of this capture");
        return;
    }
    place = literal.value;
}

}  // namespace wayleave::dsl
