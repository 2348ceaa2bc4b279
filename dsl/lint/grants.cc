// Rules that say `with`: whom a grant is for, and for which channel.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

bool reads(const Operand& operand, Attribute attribute) {
    return operand.from == Operand::From::attribute && operand.attribute == attribute;
}

bool is_claim_of_user(const Route& route, const Operand& operand) {
    return reads(operand, Attribute::fact) && operand.slot >= route.first_claim;
}

bool any_atom(const Program& program, const Condition& condition, const auto& holds) {
    if (condition.kind == Condition::Kind::atom) return holds(program.atoms[condition.atom]);
    return std::any_of(condition.args.begin(), condition.args.end(),
                       [&](const Condition& arg) { return any_atom(program, arg, holds); });
}

// A claim of the grant beside whatever `other` is.
bool compares(const Atom& atom, const auto& other) {
    return (reads(atom.left, Attribute::grant) && other(atom.right)) ||
           (reads(atom.right, Attribute::grant) && other(atom.left));
}

bool is_bound_to_user(const Route& route, const Condition& condition) {
    return any_atom(route.program, condition, [&](const Atom& atom) {
        return compares(atom, [&](const Operand& other) { return is_claim_of_user(route, other); });
    });
}

// `on room/{user.sub}`: whoever shows the grant, it is his own.
bool is_channel_of_user(const Route& route, const Pattern& pattern) {
    return std::any_of(pattern.begin(), pattern.end(), [&](const PatternSegment& segment) {
        return segment.kind == PatternSegment::Kind::insert && is_claim_of_user(route, segment.insert);
    });
}

bool inserts_grant(const Pattern& pattern) {
    return std::any_of(pattern.begin(), pattern.end(), [](const PatternSegment& segment) {
        return segment.kind == PatternSegment::Kind::insert && reads(segment.insert, Attribute::grant);
    });
}

bool is_one_channel(const Pattern& pattern) {
    return std::all_of(pattern.begin(), pattern.end(), [](const PatternSegment& segment) {
        return segment.kind == PatternSegment::Kind::text || segment.kind == PatternSegment::Kind::insert;
    });
}

// Whether each pattern of the condition is so; false where it has none.
bool every_pattern(const Program& program, const Condition& condition, const auto& holds) {
    bool any = false;
    bool all = true;
    (void)any_atom(program, condition, [&](const Atom& atom) {
        if (atom.test != Test::channel_is) return false;
        any = true;
        all = all && holds(program.patterns[atom.left.index]);
        return false;
    });
    return any && all;
}

bool says_channel(const Program& program, const Condition& condition) {
    const bool compared = any_atom(program, condition, [&](const Atom& atom) {
        return compares(atom, [](const Operand& other) {
            return reads(other, Attribute::channel) || reads(other, Attribute::channel_segment);
        });
    });
    return compared || every_pattern(program, condition, [](const Pattern& pattern) {
               return inserts_grant(pattern) || is_one_channel(pattern);
           });
}

void check_clause(LintContext& context, const Route& route, const Clause& clause) {
    const RuleInfo& rule = route.rules[clause.rule];
    if (!rule.allow || !rule.grant || clause.condition.kind == Condition::Kind::constant) return;
    const TokenDecl& token = context.policy.tokens[route.grants[*rule.grant].token];
    const bool own = every_pattern(route.program, clause.condition, [&](const Pattern& pattern) {
        return is_channel_of_user(route, pattern);
    });
    if (!route.auth.empty() && !token.single_use && !own && !is_bound_to_user(route, clause.condition)) {
        context.diagnostics.warning(
            "W315", rule.span, "this grant is good for whoever shows it",
            "one that leaks opens the channel to every user of the route",
            "bind it to its user: `if " + token.name + ".sub == user.sub`, or write `single_use = true`");
    }
    if (!says_channel(route.program, clause.condition)) {
        context.diagnostics.warning("W316", rule.span, "this grant says nothing about the channel",
                                    "one for any of these channels is one for all of them",
                                    "compare a claim with the channel: `on room/:room with " + token.name +
                                        " if " + token.name + ".room == room`");
    }
}

// Whoever makes tokens of the one block makes tokens that the other takes, too.
bool passes_for(const TokenDecl& grant, const TokenDecl& identity) {
    const bool same_keys = !identity.check && grant.keys_path == identity.keys_path &&
                           grant.keys_url == identity.keys_url && !grant.check;
    const bool same_names = (identity.issuer.empty() || identity.issuer == grant.issuer) &&
                            (identity.audience.empty() || identity.audience == grant.audience);
    return same_keys && same_names &&
           std::all_of(identity.claims.begin(), identity.claims.end(), [&](const ClaimDecl& needed) {
               return !needed.required ||
                      std::any_of(grant.claims.begin(), grant.claims.end(), [&](const ClaimDecl& has) {
                          return has.member == needed.member && has.type == needed.type;
                      });
           });
}

void check_identities(LintContext& context, const LintRoute& route) {
    route.each<ast::Rule>([&](const ast::Rule& rule) {
        for (const Grant& grant : route.compiled->grants) {
            const TokenDecl& token = context.policy.tokens[grant.token];
            if (!rule.tail.with || rule.tail.with->text != token.name) continue;
            for (const uint32_t number : route.compiled->auth) {
                const TokenDecl& identity = context.policy.tokens[number];
                if (number == grant.token || !passes_for(token, identity)) continue;
                context.diagnostics.warning(
                    "W317", rule.tail.with->span,
                    "a " + quoted(token.name) + " may connect as its user, like a " + quoted(identity.name),
                    "both have the same keys, and nothing in them says which of the two it is",
                    "give each an `audience` of its own, or keys");
            }
        }
    });
}

}  // namespace

void lint_grants(LintContext& context) {
    for (const LintRoute& route : context.routes) {
        const Route& compiled = *route.compiled;
        check_identities(context, route);
        if (compiled.subscribe >= compiled.clauses.size()) continue;
        for (const Clause& clause : compiled.clauses[compiled.subscribe])
            check_clause(context, compiled, clause);
    }
}

}  // namespace wayleave::dsl
