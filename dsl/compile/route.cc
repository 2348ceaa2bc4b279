#include "dsl/compile/route.h"

#include <algorithm>

#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

std::string_view word(const ast::Expr& expr) {
    return expr.kind == ast::Expr::Kind::path && expr.path.parts.size() == 1 ? expr.path.parts.front().text
                                                                             : std::string_view();
}

// Settings of a body that an api has, too.
constexpr std::string_view api_settings = "auth origins max_message min_tls detail";

// What only a route has; empty for the others.
std::string_view foreign_member(const ast::Member& member) {
    if (std::holds_alternative<ast::Join>(member)) return "join";
    if (std::holds_alternative<ast::Message>(member)) return "message";
    if (std::holds_alternative<ast::Stream>(member)) return "stream";
    if (std::holds_alternative<ast::Alias>(member)) return "alias";
    if (std::holds_alternative<ast::Notify>(member)) return "notify";
    if (std::holds_alternative<ast::Proxy>(member)) return "proxy";
    return {};
}

// scheme://host[:port], lower case: what a browser sends (RFC 6454 6.2).
bool looks_like_origin(std::string_view text) {
    const size_t scheme = text.find("://");
    if (scheme == std::string_view::npos || scheme == 0) return false;
    const std::string_view host = text.substr(scheme + 3);
    const std::string_view own_port = text.starts_with("https:") ? ":443" : ":80";  // which none writes
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < 0x7f && c != '@' && c != '?' && c != '#' && !(c >= 'A' && c <= 'Z');
    });
    return plain && !host.empty() && host.find('/') == std::string_view::npos && !host.ends_with(own_port);
}

}  // namespace

RouteCompiler::RouteCompiler(CompileContext& context, const Policy& policy, const ast::Name& name,
                             const std::vector<ast::Url>& urls, const std::vector<ast::Member>& members,
                             bool api)
    : context_(context),
      diagnostics_(context.diagnostics),
      policy_(policy),
      name_(name),
      urls_(urls),
      members_(members),
      out_{std::make_unique<Route>(), {}, {}},
      route_(out_.route.get()) {
    route_->api = api;
    route_->name = std::string(name.text);
    route_->place = context.sources.place(name.span);
    names_.tokens = &context.token_numbers;
}

RouteCompiler::RouteCompiler(CompileContext& context, const Policy& policy, const ast::Route& route)
    : RouteCompiler(context, policy, route.name, route.urls, route.members, false) {}

RouteCompiler::RouteCompiler(CompileContext& context, const Policy& policy, const ast::Api& api)
    : RouteCompiler(context, policy, api.name, api.urls, api.members, true) {}

CompiledRoute RouteCompiler::compile() {
    gather_parts();
    for (const BodyPart& part : parts_) check_members(part);
    gather_settings();
    apply_settings();
    check_door();
    compile_addresses();
    declare_facts();
    gather_errors();
    compile_decisions();
    compile_limits();
    compile_bans();
    if (!route_->api) {
        compile_joins();
        compile_messages();
        compile_streams();
        compile_proxies();
        compile_notifies();
        compile_aliases();
    }
    std::vector<Value> ungranted = std::move(route_->program.ungranted);
    route_->program = builder_.take();
    route_->program.ungranted = std::move(ungranted);
    finish_grants();
    route_->rules.shrink_to_fit();
    route_->clauses.shrink_to_fit();
    route_->messages.shrink_to_fit();
    return std::move(out_);
}

// --- parts ---

void RouteCompiler::gather_parts() {
    for (const ast::Defaults* defaults : context_.defaults) {
        if (route_->api) break;  // defaults are about clients
        add_part(BodyPart::From::defaults, defaults->members);
        add_uses(defaults->members);
    }
    add_uses(members_);
    add_part(BodyPart::From::own, members_);
}

void RouteCompiler::add_part(BodyPart::From from, const std::vector<ast::Member>& members) {
    BodyPart part{from, &members, std::make_unique<Lets>(&context_.lets)};
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
            const bool again = std::any_of(parts_.begin(), parts_.end(), [&](const BodyPart& part) {
                return part.members == &it->second->members;
            });
            if (!again) add_part(BodyPart::From::use, it->second->members);
        }
    });
}

void RouteCompiler::gather_lets(BodyPart& part) {
    each<ast::Let>(*part.members, [&](const ast::Let& let) {
        if (const ast::Let* known = part.lets->add(let)) {
            auto& diagnostic =
                diagnostics_.error("E005", let.name.span, quoted(let.name.text) + " is defined twice");
            diagnostic.secondary.push_back({known->name.span, "first here"});
        }
    });
}

void RouteCompiler::check_members(const BodyPart& part) {
    for (const ast::Member& member : *part.members) {
        if (const auto* rule = std::get_if<ast::Rule>(&member)) check_actions(*rule, part);
        const std::string_view what = foreign_member(member);
        if (!route_->api || what.empty() || part.from != BodyPart::From::own) continue;
        diagnostics_.error("E001", span_of(member), quoted(what) + " belongs to a route, not to an `api`", {},
                           "an api has rules, limits, bans, inputs, `errors` and its settings");
    }
}

void RouteCompiler::check_actions(const ast::Rule& rule, const BodyPart& part) {
    for (const ast::ActionName& action : rule.actions) {
        const bool client = action.action == Action::connect || action.action == Action::message;
        const bool server = action.action == Action::disconnect;
        const bool foreign = route_->api ? client : server;
        if (foreign && part.from == BodyPart::From::own) {
            diagnostics_.error(
                "E001", action.span,
                quoted(to_string(action.action)) + (server ? " belongs to an `api`" : " belongs to a route"),
                {}, server ? "" : "an api grants publish, subscribe, presence, history and disconnect");
        }
    }
}

// --- settings ---

void RouteCompiler::gather_settings() {
    for (const BodyPart& part : parts_) {
        each<ast::Setting>(*part.members, [&](const ast::Setting& setting) { choose(part, setting); });
    }
}

// Own beats used, used beats defaults; two of the same rank must say the same.
void RouteCompiler::choose(const BodyPart& part, const ast::Setting& setting) {
    const auto [it, fresh] = chosen_.try_emplace(setting.name.text, Chosen{&setting, &part});
    if (fresh) return;
    Chosen& known = it->second;
    if (known.part->from != part.from) {
        if (part.from > known.part->from) known = {&setting, &part};
        return;
    }
    const Sources& sources = context_.sources;
    const bool own = part.from == BodyPart::From::own;
    if (!own && sources.text(span_of(known.setting->value)) == sources.text(span_of(setting.value))) return;
    known.other = &setting;
}

void RouteCompiler::report_conflict(const Chosen& chosen) {
    const bool own = chosen.part->from == BodyPart::From::own;
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
            unknown_setting(diagnostics_, chosen.setting->name, Place::body);
        } else if (!route_->api || has_word(api_settings, name)) {
            apply(chosen, *row);
        } else if (chosen.part->from == BodyPart::From::own) {
            diagnostics_.error("E008", chosen.setting->name.span,
                               quoted(name) + " has no meaning in an `api`");
        }
    }
}

void RouteCompiler::apply(const Chosen& chosen, const SettingRow& row) {
    const ast::Setting& setting = *chosen.setting;
    const Lets& lets = *chosen.part->lets;
    if (row.name == "auth") return apply_auth(setting);
    if (row.name == "origins") {
        route_->origins_place = context_.sources.place(setting.span);
        return apply_origins(setting, lets);
    }
    if (row.name == "dialect") return apply_dialect(setting, row, lets);
    auto value = ValueReader(context_, lets).value(setting, row);
    if (!value) return;
    const auto number = [&] { return std::get<int64_t>(value->held); };
    if (row.name == "compression") route_->compression = std::get<bool>(value->held);
    if (row.name == "detail") route_->detail = std::get<bool>(value->held);
    if (row.name == "subprotocols") {
        for (const Scalar& name : std::get<std::vector<Scalar>>(value->held))
            route_->subprotocols.push_back(std::get<std::string>(name));
    }
    if (row.name == "max_message") route_->max_message = static_cast<size_t>(number());
    if (row.name == "max_fragments") route_->max_fragments = static_cast<uint32_t>(number());
    if (row.name == "max_subscriptions") route_->max_subscriptions = static_cast<uint32_t>(number());
    if (row.name == "idle_timeout") route_->idle_timeout_ms = number();
    if (row.name == "ping_every") route_->ping_every_ms = number();
    if (row.name == "pong_timeout") route_->pong_timeout_ms = number();
    if (row.name == "max_queue") route_->max_queue = static_cast<size_t>(number());
    if (row.name == "slow_consumer") {
        const auto& word = std::get<std::string>(value->held);
        route_->slow_consumer = word == "drop"     ? SlowConsumer::drop
                                : word == "newest" ? SlowConsumer::newest
                                                   : SlowConsumer::close;
    }
    if (row.name == "max_lifetime") route_->max_lifetime_ms = number();
    if (row.name == "min_tls") {
        route_->min_tls = std::get<std::string>(value->held) == "1.3" ? 0x0304 : 0x0303;
        route_->min_tls_place = context_.sources.place(setting.span);
    }
    if (row.name == "alias_expiry")
        route_->refuse_expired_alias = std::get<std::string>(value->held) == "refuse";
    if (row.name == "on_policy_change") {
        const auto& word = std::get<std::string>(value->held);
        route_->on_policy_change = word == "keep"    ? PolicyChange::keep
                                   : word == "close" ? PolicyChange::close
                                                     : PolicyChange::reevaluate;
    }
    route_->settings.emplace(row.name, std::move(*value));
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
        context_.authenticating.emplace(it->first, expr.span);
        const bool again =
            std::find(route_->auth.begin(), route_->auth.end(), it->second) != route_->auth.end();
        if (!again) route_->auth.push_back(it->second);
        return;
    }
    if (name == "none") {
        diagnostics_.error("E003", expr.span, "`none` beside a token would let everybody in");
        return;
    }
    names_.claims_unknown = true;
    context_.token_misspelt = true;
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
    if (name == "null") {  // sandboxed frames and files, of whomever
        route_->origins.exact.emplace_back("null");
        return;
    }
    if (name == "same_host") {
        const bool hosts =
            std::none_of(urls_.begin(), urls_.end(), [](const ast::Url& url) { return url.host.empty(); });
        if (!hosts) {
            diagnostics_.error(
                "E003", expr.span, "`same_host` needs to know the host",
                "an address without one is for every host, also for one that is made to lead here",
                "write the route's addresses with their host, such as app.example.com/ws");
        }
        route_->origins.same_host = true;
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
        diagnostics_.warning(
            "W302", span, quoted(text) + " can be no browser's origin",
            "scheme://host, or scheme://host:port where the port is not the scheme's own; lower case, "
            "a name that is not ASCII as `xn--…`, nothing after it");
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

void RouteCompiler::apply_dialect(const ast::Setting& setting, const SettingRow& row, const Lets& lets) {
    const auto name = ValueReader(context_, lets).word(setting, row);
    if (!name) return;
    if (*name == "echo") route_->dialect = Dialect::echo;
    route_->settings.emplace(row.name, *name);
}

void RouteCompiler::check_door() {
    const bool origins = chosen_.contains("origins");
    if (!has_auth_) {
        diagnostics_.error(
            "E011", name_.span,
            std::string(route_->api ? "the api " : "the route ") + quoted(name_.text) + " has no `auth`", {},
            route_->api ? "name a token" : "name a token, or write `auth = none` to mean that it is public");
        return;
    }
    if (route_->api && public_) {
        diagnostics_.error("E011", name_.span, "the api " + quoted(name_.text) + " is open to everybody", {},
                           "name a token: who publishes here speaks for your servers");
    }
    if ((public_ || route_->api) && !origins) {
        route_->origins.any = true;
        route_->origins.absent = true;
    }
    if (!public_ && !origins && !route_->api) {
        diagnostics_.error("E021", name_.span, "the route " + quoted(name_.text) + " has no `origins`",
                           "any page on the web could use its visitors' connections",
                           "write `origins = { \"https://app.example.com\" }`");
    }
    const auto& exact = route_->origins.exact;
    const bool null = std::find(exact.begin(), exact.end(), "null") != exact.end();
    if (public_ || !origins || (!route_->origins.any && !null)) return;
    const Span span = span_of(chosen_.at("origins").setting->value);
    for (const uint32_t number : route_->auth) {
        for (const TokenSource& source : policy_.tokens[number].from) {
            if (source.kind != SourceKind::cookie) continue;
            diagnostics_.error(
                "E015", span,
                null ? "origin `null` with a token from a cookie lets every page act for its visitors"
                     : "`origins = any` with a token from a cookie lets every page act for its visitors",
                null ? "a page can put itself into a frame that has this origin" : "",
                "list the origins of your own pages");
            return;
        }
    }
    diagnostics_.warning("W301", span, "any page may connect to this route",
                         null ? "a page can put itself into a frame that has the origin `null`" : "");
}

// --- addresses and facts ---

void RouteCompiler::compile_addresses() {
    for (const ast::Url& url : urls_) {
        const size_t before = captures_.size();
        route_->addresses.emplace_back(context_.sources.text(url.span));
        out_.addresses.push_back(compile_address(url, captures_, diagnostics_));
        const bool first = &url == &urls_.front();
        if (!first && (captures_.size() != before || count_captures(out_.addresses.back()) != before)) {
            auto& diagnostic =
                diagnostics_.error("E007", url.span, "every address of a route catches the same names");
            diagnostic.secondary.push_back({urls_.front().span, "the first address"});
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
    context_.remember(name, Symbol{operand, type, stage});
    shape.facts.push_back({std::move(name), type});
}

void RouteCompiler::declare_facts() {
    auto shape = std::make_shared<FactShape>();
    shape->route = route_->name;
    for (const CaptureName& capture : captures_) {
        declare(*shape, std::string(capture.name), value_type(capture.type), Stage::arrival, capture.span);
    }
    route_->captures = shape->facts.size();
    route_->capture_types.resize(route_->captures);
    for (const AddressPattern& address : out_.addresses) {
        for (const auto* segments : {&address.host, &address.path}) {
            for (const AddressSegment& segment : *segments) {
                if (segment.slot >= 0 && static_cast<size_t>(segment.slot) < route_->captures)
                    route_->capture_types[static_cast<size_t>(segment.slot)].push_back(segment.type);
            }
        }
    }
    declare_inputs(*shape);
    route_->first_claim = shape->facts.size();
    declare_claims(*shape);
    route_->shape = std::move(shape);
}

void RouteCompiler::declare_inputs(FactShape& shape) {
    for (const BodyPart& part : parts_) {
        each<ast::Input>(*part.members, [&](const ast::Input& input) {
            auto source = compile_source(context_, input.from);
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
    route_->several_realms = std::any_of(route_->auth.begin(), route_->auth.end(), [&](uint32_t number) {
        return policy_.tokens[number].realm != policy_.tokens[route_->auth.front()].realm;
    });
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
            bool secret = false;  // if any of the tokens says so
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
                    secret = secret || it->secret;
                    numbers.push_back(static_cast<uint32_t>(it - token.claims.begin()));
                }
            }
            if (names_.reasons.contains(name)) continue;
            declare(shape, name, claim.type, Stage::identity, name_.span);
            if (!shape.facts.empty()) shape.facts.back().secret = secret;
            for (size_t i = 0; i < numbers.size(); ++i) route_->claims[i].push_back(numbers[i]);
        }
    }
}

// --- errors ---

void RouteCompiler::gather_errors() {
    for (const BodyPart& part : parts_) {
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

Names RouteCompiler::names_for(const BodyPart& part) const {
    Names names = names_;
    names.lets = part.lets.get();
    return names;
}

CompiledRoute compile_route(CompileContext& context, const Policy& policy, const ast::Route& route) {
    return RouteCompiler(context, policy, route).compile();
}

CompiledRoute compile_api(CompileContext& context, const Policy& policy, const ast::Api& api) {
    return RouteCompiler(context, policy, api).compile();
}

}  // namespace wayleave::dsl
