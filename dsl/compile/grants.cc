// `with NAME`: tokens that clients bring with `$subscribe`, and what a rule may read of them.
#include <algorithm>

#include "dsl/compile/route.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t most_facts = 10'000;  // of all grants of a route: a fact's number has 16 bits

// What stands before the dot of other names.
constexpr std::string_view words_of_grants = "user connection message";

bool is_only_shown_to_tls(const TokenDecl& token) {
    return !token.from.empty() && std::all_of(token.from.begin(), token.from.end(), [](const auto& source) {
        return source.kind == SourceKind::certificate;
    });
}

}  // namespace

void RouteCompiler::check_with(const ast::Rule& rule, const BodyPart& part) {
    if (!rule.tail.with) return;
    const ast::Name& name = *rule.tail.with;
    if (route_->api) {
        if (part.from != BodyPart::From::own) return;
        return void(
            diagnostics_.error("E004", name.span, "`with` has no meaning in an `api`",
                               "a grant is brought by clients, and who asks here shows a token anyway"));
    }
    for (const ast::ActionName& action : rule.actions) {
        if (action.action == Action::subscribe) continue;
        return void(diagnostics_.error(
            "E004", name.span, "`with` has no meaning for " + std::string(to_string(action.action)),
            "a client brings a grant with `$subscribe` alone", "write a rule for subscribe of its own"));
    }
    const auto token = context_.token_numbers.find(name.text);
    if (token == context_.token_numbers.end()) {
        std::vector<std::string_view> known;
        for (const auto& [one, number] : context_.token_numbers) known.push_back(one);
        return void(diagnostics_.misspelt("E002", name.span, "there is no token " + quoted(name.text),
                                          near_name(name.text, known)));
    }
    context_.used.insert(token->first);
    context_.granting.insert(token->first);
    if (has_word(words_of_grants, name.text)) {
        return void(diagnostics_.error("E005", name.span, quoted(name.text) + " means something else already",
                                       {}, "choose another name for the token"));
    }
    if (is_only_shown_to_tls(policy_.tokens[token->second])) {
        return void(diagnostics_.error("E022", name.span, "nobody brings a certificate with `$subscribe`",
                                       "it is shown to TLS, once, for the connection",
                                       "name a token that has `keys` or `check`"));
    }
    if (grant_shape_.facts.size() + policy_.tokens[token->second].claims.size() > most_facts) {
        return void(diagnostics_.error("E026", name.span,
                                       "the grants of a route have at most 10,000 claims together"));
    }
    if (!grants_.contains(name.text))
        grants_.emplace(token->first, declare_grant(token->first, token->second));
}

uint32_t RouteCompiler::declare_grant(std::string_view name, uint32_t token) {
    route_->grants.push_back({token, static_cast<uint16_t>(grant_shape_.facts.size())});
    const auto add = [&](std::string fact, Type type, bool secret) {
        route_->program.ungranted.push_back(empty_value(type));
        grant_shape_.facts.push_back({std::move(fact), type, secret});
    };
    add("with " + std::string(name), {Kind::boolean, Shape::one}, false);
    for (const ClaimDecl& claim : policy_.tokens[token].claims)
        add(std::string(name) + "." + claim.name, claim.type, claim.secret);
    return static_cast<uint32_t>(route_->grants.size() - 1);
}

std::optional<uint32_t> RouteCompiler::grant_named(const ast::Rule& rule) const {
    if (!rule.tail.with) return std::nullopt;
    const auto it = grants_.find(rule.tail.with->text);
    return it == grants_.end() ? std::nullopt : std::optional(it->second);
}

Names RouteCompiler::with_claims(Names names, uint32_t grant) const {
    const Grant& declared = route_->grants[grant];
    const TokenDecl& token = policy_.tokens[declared.token];
    names.with = token.name;
    for (size_t i = 1; i <= token.claims.size(); ++i) {
        const FactShape::Fact& fact = grant_shape_.facts[declared.first + i];
        const Operand operand{Operand::From::attribute, Attribute::grant,
                              static_cast<uint16_t>(declared.first + i), 0};
        const Symbol symbol{operand, fact.type, Stage::channel};
        names.symbols.emplace(fact.name, symbol);
        context_.remember(fact.name, symbol);
    }
    return names;
}

Condition RouteCompiler::brought(uint32_t grant) {
    const Operand operand{Operand::From::attribute, Attribute::grant, route_->grants[grant].first, 0};
    return Condition::test(builder_.atom({Test::is_true, operand, {}, Stage::channel}));
}

void RouteCompiler::finish_grants() {
    if (route_->grants.empty()) return;
    grant_shape_.route = route_->name;
    route_->grant_shape = std::make_shared<const FactShape>(std::move(grant_shape_));
}

}  // namespace wayleave::dsl
