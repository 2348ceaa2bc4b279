#include "dsl/lint/exact/exact.h"

#include <algorithm>

#include "dsl/lint/exact/reasoning.h"

namespace wayleave::dsl {
namespace {

constexpr size_t most_rules = 128;  // of one decision
constexpr size_t most_covers = 3;   // that are named

class Decision {
  public:
    Decision(const Route& route, const std::vector<Clause>& clauses, const WrittenRules& written)
        : route_(route), written_(written), reasoning_(route.program, clauses) {
        for (const Clause& clause : clauses) {
            Entry entry{clause.rule, &clause.condition, reasoning_.function(clause.condition), false};
            (route.rules[clause.rule].allow ? allows_ : denies_).push_back(entry);
        }
    }

    DecisionFindings look(const std::vector<AbsentFact>& absent) {
        constant_conditions();
        unreachable_allows();
        redundant_denies();
        redundant_allows();
        idle_denies();
        absent_grants(absent);
        if (reasoning_.gave_up()) return {{}, true};
        return std::move(out_);
    }

  private:
    using Function = Reasoning::Function;
    struct Entry {
        uint32_t rule;
        const Condition* condition;
        Function function;
        bool told;  // there is a finding about it that makes others pointless
    };

    void tell(Entry& entry, std::string_view id, std::vector<uint32_t> covers = {}) {
        entry.told = true;
        out_.findings.push_back({id, entry.rule, std::move(covers)});
    }

    Function any_of(const std::vector<Entry>& entries) {
        Function any = Reasoning::never_holds;
        for (auto it = entries.rbegin(); it != entries.rend(); ++it)
            any = reasoning_.either(it->function, any);
        return any;
    }

    // Those of `entries` that hold where `function` does: one that covers it alone, else a few.
    std::vector<uint32_t> reasons(Function function, const std::vector<const Entry*>& entries) {
        std::vector<uint32_t> some;
        for (const Entry* entry : entries) {
            if (reasoning_.covered(function, entry->function)) return {entry->rule};
            if (some.size() < most_covers && !reasoning_.never(reasoning_.both(function, entry->function)))
                some.push_back(entry->rule);
        }
        return some;
    }
    static std::vector<const Entry*> pointers(const std::vector<Entry>& entries) {
        std::vector<const Entry*> out;
        for (const Entry& entry : entries) out.push_back(&entry);
        return out;
    }

    // --- W103 ---

    void constant_conditions() {
        for (std::vector<Entry>* list : {&denies_, &allows_}) {
            for (Entry& entry : *list) {
                const ast::Rule& rule = *written_[entry.rule];
                if (!rule.tail.condition) continue;
                const bool never = reasoning_.never(entry.function);
                if (!never && !always(entry, rule)) continue;
                tell(entry, "W103");
                out_.findings.back().value = !never;
            }
        }
    }

    // Whether the rule holds wherever it is about the channel.
    bool always(const Entry& entry, const ast::Rule& rule) {
        if (rule.tail.on.empty()) return reasoning_.always(entry.function);
        std::vector<uint32_t> patterns;
        channels_of(*entry.condition, patterns);
        if (patterns.size() != rule.tail.on.size()) {
            const bool one_for_all = patterns.empty() && rule.tail.on.size() == 1;
            return one_for_all && reasoning_.always(entry.function);
        }
        Function on = Reasoning::never_holds;
        for (const uint32_t pattern : patterns)
            on = reasoning_.either(reasoning_.function(Condition::test(pattern)), on);
        return reasoning_.covered(on, entry.function);
    }
    void channels_of(const Condition& condition, std::vector<uint32_t>& out) const {
        if (condition.kind == Condition::Kind::atom &&
            route_.program.atoms[condition.atom].test == Test::channel_is)
            out.push_back(condition.atom);
        for (const Condition& arg : condition.args) channels_of(arg, out);
    }

    // --- W102 ---

    void unreachable_allows() {
        const Function denied = any_of(denies_);
        for (Entry& entry : allows_) {
            if (entry.told || !reasoning_.covered(entry.function, denied)) continue;
            tell(entry, "W102", reasons(entry.function, pointers(denies_)));
        }
    }

    // --- W104, W105 ---

    // They are asked in order, and the first that holds speaks.
    void redundant_denies() {
        Function before = Reasoning::never_holds;
        std::vector<const Entry*> earlier;
        for (Entry& entry : denies_) {
            if (!entry.told && reasoning_.covered(entry.function, before)) covered(entry, earlier);
            before = reasoning_.either(before, entry.function);
            earlier.push_back(&entry);
        }
    }

    // From the last to the first, so that of two that cover each other one is left.
    void redundant_allows() {
        std::vector<Function> before{Reasoning::never_holds};
        for (const Entry& entry : allows_) before.push_back(reasoning_.either(before.back(), entry.function));
        Function after = Reasoning::never_holds;
        std::vector<const Entry*> kept;
        for (size_t i = allows_.size(); i-- > 0;) {
            Entry& entry = allows_[i];
            const Function others = reasoning_.either(before[i], after);
            if (!entry.told && reasoning_.covered(entry.function, others)) {
                std::vector<const Entry*> rest = kept;
                for (size_t j = 0; j < i; ++j) rest.push_back(&allows_[j]);
                covered(entry, rest);
                continue;
            }
            after = reasoning_.either(after, entry.function);
            kept.push_back(&entry);
        }
    }

    void covered(Entry& entry, const std::vector<const Entry*>& others) {
        for (const Entry* other : others) {
            if (reasoning_.same(entry.function, other->function)) return tell(entry, "W104", {other->rule});
        }
        tell(entry, "W105", reasons(entry.function, others));
    }

    // --- W107 ---

    void idle_denies() {
        const Function granted = any_of(allows_);
        for (Entry& entry : denies_) {
            if (entry.told || !reasoning_.never(reasoning_.both(entry.function, granted))) continue;
            tell(entry, "W107");
        }
    }

    // --- W108 ---

    void absent_grants(const std::vector<AbsentFact>& absent) {
        for (const AbsentFact& fact : absent) {
            const Operand subject{Operand::From::attribute, Attribute::fact, static_cast<uint16_t>(fact.fact),
                                  0};
            // Who names the value has thought of it.
            if (!reasoning_.asks(subject) || reasoning_.names(subject, fact.otherwise)) continue;
            for (Entry& entry : allows_) {
                if (entry.told || !reasoning_.grants(entry.function, subject, fact.otherwise)) continue;
                out_.findings.push_back({"W108", entry.rule, {}, false, fact.fact});
            }
        }
    }

    const Route& route_;
    const WrittenRules& written_;
    Reasoning reasoning_;
    std::vector<Entry> denies_;
    std::vector<Entry> allows_;
    DecisionFindings out_;
};

}  // namespace

std::vector<AbsentFact> absent_facts(const Policy& policy, const Route& route) {
    std::vector<AbsentFact> out;
    for (size_t i = 0; i < route.inputs.size(); ++i) {
        if (!route.inputs[i].required) out.push_back({route.captures + i, route.inputs[i].otherwise});
    }
    for (size_t token = 0; token < route.auth.size(); ++token) {
        const auto& declared = policy.tokens[route.auth[token]].claims;
        for (size_t i = 0; i < route.claims[token].size(); ++i) {
            const ClaimDecl& claim = declared[route.claims[token][i]];
            if (!claim.required) out.push_back({route.first_claim + i, claim.otherwise});
        }
    }
    return out;
}

DecisionFindings look_exactly(const Route& route, const std::vector<Clause>& clauses,
                              const WrittenRules& written, const std::vector<AbsentFact>& absent) {
    if (clauses.size() > most_rules) return {{}, true};
    return Decision(route, clauses, written).look(absent);
}

}  // namespace wayleave::dsl
