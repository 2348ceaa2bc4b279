#include "dsl/compile_route.h"

#include <algorithm>

#include "dsl/near_name.h"
#include "dsl/text.h"

namespace wayleave::dsl {
namespace {

template <class T>
void each(const std::vector<ast::Member>& members, const auto& visit) {
    for (const ast::Member& member : members) {
        if (const auto* found = std::get_if<T>(&member)) visit(*found);
    }
}

std::string_view word(const ast::Expr& expr) {
    return expr.kind == ast::Expr::Kind::path && expr.path.parts.size() == 1 ? expr.path.parts.front().text
                                                                             : std::string_view();
}

// scheme://host[:port], lower case: what a browser sends (RFC 6454 6.2).
bool looks_like_origin(std::string_view text) {
    const size_t scheme = text.find("://");
    if (scheme == std::string_view::npos || scheme == 0) return false;
    const std::string_view host = text.substr(scheme + 3);
    return !host.empty() && host.find('/') == std::string_view::npos &&
           std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

RouteCompiler::RouteCompiler(CompileContext& context, const Policy& policy, const ast::Route& route)
    : context_(context),
      diagnostics_(context.diagnostics),
      policy_(policy),
      ast_(route),
      route_(std::make_unique<Route>()) {
    route_->name = std::string(route.name.text);
    route_->place = context.sources.place(route.name.span);
}

std::unique_ptr<Route> RouteCompiler::compile(std::vector<AddressPattern>& addresses) {
    gather_parts();
    for (const Part& part : parts_) check_members(part);
    gather_settings();
    apply_settings();
    check_door();
    compile_addresses(addresses);
    declare_facts();
    gather_errors();
    compile_decisions();
    compile_joins();
    compile_limits();
    compile_messages();
    route_->program = builder_.take();
    return std::move(route_);
}

// --- parts ---

void RouteCompiler::gather_parts() {
    for (const ast::Defaults* defaults : context_.defaults) {
        add_part(Part::From::defaults, defaults->members);
        add_uses(defaults->members);
    }
    add_uses(ast_.members);
    add_part(Part::From::own, ast_.members);
}

void RouteCompiler::add_part(Part::From from, const std::vector<ast::Member>& members) {
    Part part{from, &members, std::make_unique<Lets>(&context_.lets)};
    gather_lets(part);
    parts_.push_back(std::move(part));
}

void RouteCompiler::add_uses(const std::vector<ast::Member>& members) {
    each<ast::Use>(members, [&](const ast::Use& use) {
        for (const ast::Name& name : use.names) {
            const auto it = context_.policies.find(name.text);
            if (it == context_.policies.end()) {
                std::vector<std::string_view> known;
                for (const auto& [policy, ast] : context_.policies) known.push_back(policy);
                const std::string_view near = near_name(name.text, known);
                diagnostics_.misspelt("E002", name.span, "there is no policy " + quoted(name.text), near);
                continue;
            }
            context_.used.insert(it->first);
            const bool again = std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
                return part.members == &it->second->members;
            });
            if (!again) add_part(Part::From::use, it->second->members);
        }
    });
}

void RouteCompiler::gather_lets(Part& part) {
    each<ast::Let>(*part.members, [&](const ast::Let& let) {
        if (const ast::Let* known = part.lets->add(let)) {
            auto& diagnostic =
                diagnostics_.error("E005", let.name.span, quoted(let.name.text) + " is defined twice");
            diagnostic.secondary.push_back({known->name.span, "first here"});
        }
    });
}

void RouteCompiler::check_members(const Part& part) {
    for (const ast::Member& member : *part.members) {
        if (const auto* ban = std::get_if<ast::Ban>(&member)) not_supported(diagnostics_, ban->span, "ban");
        if (const auto* stream = std::get_if<ast::Stream>(&member))
            not_supported(diagnostics_, stream->span, "stream");
        if (const auto* alias = std::get_if<ast::Alias>(&member))
            not_supported(diagnostics_, alias->span, "alias");
        if (const auto* notify = std::get_if<ast::Notify>(&member))
            not_supported(diagnostics_, notify->span, "notify");
        if (const auto* proxy = std::get_if<ast::Proxy>(&member))
            not_supported(diagnostics_, proxy->span, "proxy");
        const auto* rule = std::get_if<ast::Rule>(&member);
        for (const ast::ActionName& action : rule ? rule->actions : std::vector<ast::ActionName>{}) {
            if (action.action == ast::Action::disconnect) {
                diagnostics_.error("E001", action.span, "`disconnect` belongs to an `api`");
            } else if (action.action == ast::Action::presence || action.action == ast::Action::history) {
                not_supported(diagnostics_, action.span, to_string(action.action));
            }
        }
    }
}

// --- settings ---

void RouteCompiler::gather_settings() {
    for (const Part& part : parts_) {
        each<ast::Setting>(*part.members, [&](const ast::Setting& setting) { choose(part, setting); });
    }
}

// Own beats used, used beats defaults; two of the same rank must say the same.
void RouteCompiler::choose(const Part& part, const ast::Setting& setting) {
    const auto [it, fresh] = chosen_.try_emplace(setting.name.text, Chosen{&setting, &part});
    if (fresh) return;
    Chosen& known = it->second;
    if (known.part->from != part.from) {
        if (part.from > known.part->from) known = {&setting, &part};
        return;
    }
    const Sources& sources = context_.sources;
    const bool own = part.from == Part::From::own;
    if (!own && sources.text(span_of(known.setting->value)) == sources.text(span_of(setting.value))) return;
    known.other = &setting;
}

void RouteCompiler::report_conflict(const Chosen& chosen) {
    const bool own = chosen.part->from == Part::From::own;
    auto& diagnostic = diagnostics_.error(
        own ? "E020" : "E009", chosen.other->name.span,
        quoted(chosen.other->name.text) + (own ? " is set twice" : " is set to two values"));
    diagnostic.secondary.push_back({chosen.setting->name.span, "also here"});
    if (!own) diagnostic.help = "set it in the route itself: that decides";
}

void RouteCompiler::apply_settings() {
    for (const auto& [name, chosen] : chosen_) {
        if (chosen.other) report_conflict(chosen);
        const SettingRow* row = setting_row(Place::body, name);
        if (!row) {
            std::vector<std::string_view> names;
            for (const SettingRow& known : setting_rows()) {
                if (known.place == Place::body) names.push_back(known.name);
            }
            const std::string_view near = near_name(name, names);
            diagnostics_.misspelt("E008", chosen.setting->name.span, "there is no setting " + quoted(name),
                                  near);
        } else if (row->sentence.empty()) {
            not_supported(diagnostics_, chosen.setting->name.span, name);
        } else {
            apply(chosen, *row);
        }
    }
}

void RouteCompiler::apply(const Chosen& chosen, const SettingRow& row) {
    const ast::Setting& setting = *chosen.setting;
    const Lets& lets = *chosen.part->lets;
    ValueReader reader(context_, lets);
    if (row.name == "auth") return apply_auth(setting);
    if (row.name == "origins") return apply_origins(setting, lets);
    if (row.name == "dialect") return apply_dialect(setting, lets);
    if (row.name == "detail") {
        route_->detail = reader.boolean(setting).value_or(false);
        return;
    }
    if (row.name == "subprotocols") {
        route_->subprotocols = reader.texts(setting).value_or(std::vector<std::string>{});
        return;
    }
    const auto number = reader.number(setting, row);
    if (!number) return;
    if (row.name == "max_message") route_->max_message = static_cast<size_t>(*number);
    if (row.name == "max_fragments") route_->max_fragments = static_cast<uint32_t>(*number);
    if (row.name == "max_subscriptions") route_->max_subscriptions = static_cast<uint32_t>(*number);
    if (row.name == "idle_timeout") route_->idle_timeout_ms = *number;
    if (row.name == "ping_every") route_->ping_every_ms = *number;
}

void RouteCompiler::apply_auth(const ast::Setting& setting) {
    has_auth_ = true;
    const auto* expr = std::get_if<ast::Expr>(&setting.value);
    if (expr && word(*expr) == "none") {
        public_ = true;
        return;
    }
    if (expr && expr->kind == ast::Expr::Kind::set && !expr->args.empty()) {
        for (const ast::Expr& arg : expr->args) apply_auth_name(arg);
    } else if (expr && expr->kind == ast::Expr::Kind::path) {
        apply_auth_name(*expr);
    } else {
        diagnostics_.error("E003", span_of(setting.value), "`auth` names one or more tokens, or `none`", {},
                           "write `auth = session`, `auth = { a, b }` or `auth = none`");
    }
}

void RouteCompiler::apply_auth_name(const ast::Expr& expr) {
    const std::string name = expr.kind == ast::Expr::Kind::path ? expr.path.text() : "";
    const auto it = context_.token_numbers.find(name);
    if (it != context_.token_numbers.end()) {
        context_.used.insert(it->first);
        const bool again =
            std::find(route_->auth.begin(), route_->auth.end(), it->second) != route_->auth.end();
        if (!again) route_->auth.push_back(it->second);
        return;
    }
    if (name == "none") {
        diagnostics_.error("E003", expr.span, "`none` beside a token would let everybody in");
        return;
    }
    std::vector<std::string_view> known;
    for (const auto& [token, number] : context_.token_numbers) known.push_back(token);
    const std::string_view near = near_name(name, known);
    diagnostics_.misspelt("E002", expr.span, "there is no token " + quoted(name), near);
}

void RouteCompiler::apply_origins(const ast::Setting& setting, const Lets& lets) {
    const auto* expr = std::get_if<ast::Expr>(&setting.value);
    if (!expr) {
        diagnostics_.error("E003", span_of(setting.value), "`origins` is a set of texts, or `any`");
        return;
    }
    if (expr->kind != ast::Expr::Kind::set) return apply_origin_expr(*expr, lets, true);
    if (expr->args.empty()) diagnostics_.error("E003", expr->span, "an empty set of origins admits nobody");
    for (const ast::Expr& arg : expr->args) apply_origin_expr(arg, lets, false);
}

void RouteCompiler::apply_origin_expr(const ast::Expr& expr, const Lets& lets, bool alone) {
    const std::string_view name = word(expr);
    if (name == "none") {
        route_->origins.absent = true;
        return;
    }
    if (name == "any") {
        if (!alone) diagnostics_.error("E003", expr.span, "`any` stands alone: `origins = any`");
        route_->origins.any = true;
        route_->origins.absent = true;
        return;
    }
    ValueReader reader(context_, lets);
    const auto typed = reader.constant(expr);
    if (!typed) return;
    if (typed->type == Type{Kind::string, Shape::one})
        return add_origin(std::get<std::string>(typed->value->held), expr.span);
    if (typed->type != Type{Kind::string, Shape::set}) {
        diagnostics_.error("E003", expr.span, "an origin is a text in quotes", {},
                           "such as \"https://app.example.com\"");
        return;
    }
    for (const Scalar& scalar : std::get<std::vector<Scalar>>(typed->value->held)) {
        add_origin(std::get<std::string>(scalar), expr.span);
    }
}

void RouteCompiler::add_origin(const std::string& text, Span span) {
    if (!looks_like_origin(text)) {
        diagnostics_.warning("W302", span, quoted(text) + " can be no browser's origin",
                             "scheme://host or scheme://host:port, lower case, nothing after it");
    }
    const size_t star = text.find('*');
    if (star == std::string::npos) {
        route_->origins.exact.push_back(text);
    } else if (text.find("://*.") + 3 == star && text.find('*', star + 1) == std::string::npos) {
        route_->origins.subdomains.emplace_back(text.substr(0, star), text.substr(star + 1));
    } else {
        diagnostics_.error("E003", span, "a `*` in an origin stands for subdomains only", {},
                           "write \"https://*.example.com\"");
    }
}

void RouteCompiler::apply_dialect(const ast::Setting& setting, const Lets& lets) {
    ValueReader reader(context_, lets);
    const auto name = reader.text(setting);
    if (!name) return;
    if (*name == "native") return;
    if (*name == "echo") {
        route_->dialect = Dialect::echo;
    } else if (*name == "socket.io" || *name == "sse") {
        not_supported(diagnostics_, setting.span, "dialect = \"" + *name + "\"");
    } else {
        diagnostics_.error("E003", span_of(setting.value), "there is no dialect " + quoted(*name), {},
                           "\"native\" and \"echo\" exist");
    }
}

void RouteCompiler::check_door() {
    const bool origins = chosen_.contains("origins");
    if (!has_auth_) {
        diagnostics_.error("E011", ast_.name.span, "the route " + quoted(ast_.name.text) + " has no `auth`",
                           {}, "name a token, or write `auth = none` to mean that it is public");
        return;
    }
    if (public_ && !origins) {
        route_->origins.any = true;
        route_->origins.absent = true;
    }
    if (!public_ && !origins) {
        diagnostics_.error("E021", ast_.name.span,
                           "the route " + quoted(ast_.name.text) + " has no `origins`",
                           "any page on the web could use its visitors' connections",
                           "write `origins = { \"https://app.example.com\" }`");
    }
    if (public_ || !route_->origins.any || !origins) return;
    const Span span = span_of(chosen_.at("origins").setting->value);
    for (const uint32_t number : route_->auth) {
        for (const TokenSource& source : policy_.tokens[number].from) {
            if (source.kind != ast::Source::Kind::cookie) continue;
            diagnostics_.error(
                "E015", span,
                "`origins = any` with a token from a cookie lets every page act for its visitors", {},
                "list the origins of your own pages");
            return;
        }
    }
    diagnostics_.warning("W301", span, "any page may connect to this route");
}

// --- addresses and facts ---

void RouteCompiler::compile_addresses(std::vector<AddressPattern>& addresses) {
    for (const ast::Url& url : ast_.urls) {
        const size_t before = captures_.size();
        addresses.push_back(compile_address(url, captures_, diagnostics_));
        const bool first = &url == &ast_.urls.front();
        size_t mine = 0;
        for (const AddressSegment& s : addresses.back().host) mine += s.slot >= 0 ? 1 : 0;
        for (const AddressSegment& s : addresses.back().path) mine += s.slot >= 0 ? 1 : 0;
        if (!first && (captures_.size() != before || mine != before)) {
            auto& diagnostic =
                diagnostics_.error("E007", url.span, "every address of a route catches the same names");
            diagnostic.secondary.push_back({ast_.urls.front().span, "the first address"});
        }
    }
}

void RouteCompiler::declare(FactShape& shape, std::string name, Type type, Stage stage, Span span) {
    if (builtin(name) != nullptr || names_.symbols.contains(name)) {
        diagnostics_.error("E005", span, quoted(name) + " means something else already", {},
                           "choose another name");
        return;
    }
    Operand operand{Operand::From::attribute, Attribute::fact, static_cast<uint16_t>(shape.facts.size()), 0};
    names_.symbols.emplace(name, Symbol{operand, type, stage});
    shape.facts.push_back({std::move(name), type});
}

void RouteCompiler::declare_facts() {
    auto shape = std::make_shared<FactShape>();
    shape->route = route_->name;
    for (const CaptureName& capture : captures_) {
        declare(*shape, std::string(capture.name), value_type(capture.type), Stage::arrival, capture.span);
    }
    route_->captures = shape->facts.size();
    declare_inputs(*shape);
    route_->first_claim = shape->facts.size();
    declare_claims(*shape);
    route_->shape = std::move(shape);
}

void RouteCompiler::declare_inputs(FactShape& shape) {
    for (const Part& part : parts_) {
        each<ast::Input>(*part.members, [&](const ast::Input& input) {
            auto source = compile_source(input.from, diagnostics_);
            if (!source || !readable_type(input.type, "an input", true, diagnostics_)) return;
            const auto fallback = compile_absent(context_, *part.lets, input.absent, input.type.type);
            if (!fallback) return;
            declare(shape, std::string(input.name.text), input.type.type, Stage::arrival, input.name.span);
            route_->inputs.push_back({std::string(input.name.text), std::move(*source), input.type.type,
                                      fallback->required, fallback->otherwise});
        });
    }
}

// The claims that every token of the route declares alike; the others have a reason why they are unknown.
void RouteCompiler::declare_claims(FactShape& shape) {
    route_->claims.resize(route_->auth.size());
    for (size_t i = 0; i < route_->auth.size(); ++i) {
        const std::string name = quoted(policy_.tokens[route_->auth[i]].name);
        names_.claims_of += (i == 0 ? (route_->auth.size() > 1 ? "neither " : "") : " nor ") + name;
    }
    if (!route_->auth.empty()) {
        names_.claims_of += route_->auth.size() > 1 ? " declares this claim" : " does not declare this claim";
    }
    for (const uint32_t first : route_->auth) {
        for (const ClaimDecl& claim : policy_.tokens[first].claims) {
            const std::string name = "user." + claim.name;
            if (names_.symbols.contains(name) || names_.reasons.contains(name)) continue;
            std::vector<uint32_t> numbers;
            for (const uint32_t number : route_->auth) {
                const TokenDecl& token = policy_.tokens[number];
                const auto it =
                    std::find_if(token.claims.begin(), token.claims.end(),
                                 [&](const ClaimDecl& other) { return other.name == claim.name; });
                if (it == token.claims.end()) {
                    names_.reasons.emplace(
                        name, quoted(token.name) + " does not declare this claim, and `auth` names it too");
                } else if (it->type != claim.type) {
                    names_.reasons.emplace(name, a_type(claim.type) + " in " +
                                                     quoted(policy_.tokens[first].name) + " and " +
                                                     a_type(it->type) + " in " + quoted(token.name));
                } else {
                    numbers.push_back(static_cast<uint32_t>(it - token.claims.begin()));
                }
            }
            if (names_.reasons.contains(name)) continue;
            declare(shape, name, claim.type, Stage::identity, ast_.name.span);
            for (size_t i = 0; i < numbers.size(); ++i) route_->claims[i].push_back(numbers[i]);
        }
    }
}

// --- errors ---

void RouteCompiler::gather_errors() {
    for (const Part& part : parts_) {
        each<ast::Errors>(*part.members, [&](const ast::Errors& errors) {
            for (const ast::Setting& setting : errors.reasons) add_error(setting);
        });
    }
}

// Parts come in the order defaults, used, own: the later decides.
void RouteCompiler::add_error(const ast::Setting& setting) {
    const auto refusal = refusal_from(setting.name.text);
    if (!refusal) {
        std::vector<std::string_view> names;
        for (size_t i = 0; i < refusals; ++i) names.push_back(to_string(static_cast<Refusal>(i)));
        const std::string_view near = near_name(setting.name.text, names);
        diagnostics_.misspelt("E008", setting.name.span, "there is no reason " + quoted(setting.name.text),
                              near);
        return;
    }
    if (*refusal == Refusal::banned) return not_supported(diagnostics_, setting.name.span, "banned");
    const auto* given = std::get_if<ast::Outcome>(&setting.value);
    if (!given) {
        diagnostics_.error("E003", span_of(setting.value), "this is no outcome", {},
                           "write status N, close N, error \"name\" or drop");
        return;
    }
    const auto outcome = compile_outcome(*given, diagnostics_);
    if (!outcome) return;
    for (const Phase phase : {Phase::handshake, Phase::session}) {
        if (possible(*outcome, phase))
            route_->errors[static_cast<size_t>(*refusal)][static_cast<size_t>(phase)] = *outcome;
    }
}

Names RouteCompiler::names_for(const Part& part) const {
    Names names = names_;
    names.lets = part.lets.get();
    return names;
}

std::unique_ptr<Route> compile_route(CompileContext& context, const Policy& policy, const ast::Route& route,
                                     std::vector<AddressPattern>& addresses) {
    return RouteCompiler(context, policy, route).compile(addresses);
}

}  // namespace wayleave::dsl
