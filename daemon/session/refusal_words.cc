#include "daemon/session/refusal_words.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "dsl/policy/describe.h"
#include "dsl/policy/trace.h"

namespace wayleave {
namespace {

constexpr size_t most_facts = 32;
constexpr size_t most_findings = 8;

struct Decision {
    std::string_view action;  // empty: of a message's own block, where it is left out
    dsl::RootId root = 0;
    const dsl::Message* message = nullptr;
};

std::vector<Decision> decisions_of(const dsl::Route& route) {
    std::vector<Decision> out{{"connect", route.connect}, {"subscribe", route.subscribe},
                              {"publish", route.publish}, {"presence", route.presence},
                              {"history", route.history}, {"disconnect", route.disconnect}};
    for (const dsl::Message& message : route.messages) out.push_back({"", message.decision, &message});
    for (const dsl::Stream& stream : route.streams) out.push_back({"", stream.decision});
    return out;
}

struct Found {
    Decision decision;
    const dsl::Clause* clause = nullptr;
};

Found find_clause(const dsl::Route& route, std::string_view place) {
    for (const Decision& decision : decisions_of(route)) {
        if (decision.root >= route.clauses.size()) continue;
        for (const dsl::Clause& clause : route.clauses[decision.root]) {
            if (clause.rule != dsl::Clause::no_rule && route.rules[clause.rule].place == place)
                return {decision, &clause};
        }
    }
    return {};
}

std::string clause_at(const dsl::Route& route, std::string_view place) {
    const Found found = find_clause(route, place);
    if (!found.clause) return {};
    return dsl::Words{route, found.decision.message, &found.clause->segments}.rule(found.decision.action,
                                                                                   *found.clause);
}

bool reads_fact(const dsl::Program& program, const dsl::Operand& operand) {
    if (operand.from == dsl::Operand::From::lookup)
        return reads_fact(program, program.lookups[operand.index].key);
    return operand.from == dsl::Operand::From::attribute && operand.attribute == dsl::Attribute::fact;
}

// Whether it can still be answered.
bool is_known(const dsl::Program& program, const dsl::Condition& condition, bool facts) {
    if (condition.kind == dsl::Condition::Kind::constant) return true;
    if (condition.kind != dsl::Condition::Kind::atom)
        return std::all_of(condition.args.begin(), condition.args.end(),
                           [&](const dsl::Condition& arg) { return is_known(program, arg, facts); });
    const dsl::Atom& atom = program.atoms[condition.atom];
    if (atom.stage > dsl::Stage::identity) return false;
    return facts || !(reads_fact(program, atom.left) || reads_fact(program, atom.right));
}

std::string limit_at(const dsl::Words& words, const std::vector<dsl::Limit>& limits, std::string_view place) {
    for (const dsl::Limit& limit : limits)
        if (limit.place == place) return words.limit(limit);
    return {};
}

std::string in_message(const dsl::Route& route, const dsl::Message& message, std::string_view place) {
    for (const dsl::FieldDecl& field : message.fields)
        if (field.place == place) return dsl::field_text(field);
    return limit_at({route, &message}, message.limits, place);
}

}  // namespace

std::string rule_in_words(const dsl::Route& route, std::string_view place) {
    if (place.empty()) return {};
    if (std::string text = clause_at(route, place); !text.empty()) return text;
    if (std::string text = limit_at({route}, route.limits, place); !text.empty()) return text;
    for (const dsl::Message& message : route.messages)
        if (std::string text = in_message(route, message, place); !text.empty()) return text;
    for (const dsl::Stream& stream : route.streams)
        if (std::string text = limit_at({route}, stream.limits, place); !text.empty()) return text;
    return {};
}

std::string findings_in_words(const dsl::Route& route, const dsl::Facts& facts, std::string_view place,
                              bool identified) {
    if (place.empty()) return {};
    const Found found = find_clause(route, place);
    if (!found.clause) return {};
    dsl::Request request;
    request.facts = &facts;
    const dsl::Words words{route, found.decision.message, &found.clause->segments};
    const dsl::Condition& whole = found.clause->condition;
    const bool known = identified && facts.shape && facts.shape == route.shape;
    std::string out;
    size_t findings = 0;
    const std::vector<dsl::Condition> parts =
        whole.kind == dsl::Condition::Kind::all_of ? whole.args : std::vector{whole};
    for (const dsl::Condition& part : parts) {
        if (!is_known(route.program, part, known)) continue;
        const dsl::Finding finding = dsl::find_out(words, part, request);
        for (const std::string& why : finding.why)
            if (finding.holds && ++findings <= most_findings) out += (out.empty() ? "" : "\n") + why;
    }
    return out;
}

std::string facts_in_words(const dsl::Route& route, const dsl::Facts& facts, bool identified) {
    using enum dsl::Attribute;
    constexpr std::array attributes{ip, host, path, origin, subprotocol, tls};
    dsl::Request request;
    request.facts = &facts;
    const dsl::Words words{route};
    std::string out;
    const auto add = [&](dsl::Attribute attribute, size_t slot) {
        const dsl::Operand operand{dsl::Operand::From::attribute, attribute, static_cast<uint16_t>(slot), 0};
        out +=
            (out.empty() ? "" : ", ") + words.operand(operand) + " is " + dsl::shown(words, operand, request);
    };
    for (const dsl::Attribute attribute : attributes) add(attribute, 0);
    const bool known = identified && facts.shape && facts.shape == route.shape;
    for (size_t i = 0; known && i < std::min(facts.values.size(), most_facts); ++i) add(fact, i);
    return out;
}

}  // namespace wayleave
