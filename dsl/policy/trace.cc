#include "dsl/policy/trace.h"

#include <algorithm>

namespace wayleave::dsl {
namespace {

constexpr size_t longest_value = 200;

bool secret(const Route& route, const Operand& operand) {
    if (operand.from != Operand::From::attribute) return false;
    if (operand.attribute == Attribute::grant) return route.grant_shape->facts[operand.slot].secret;
    return operand.attribute == Attribute::fact && route.shape->facts[operand.slot].secret;
}

class Tracer {
  public:
    // `so`: what is asked about holds, and it is told why.
    Tracer(const Words& words, const Request& request, bool so) : words_(words), request_(request), so_(so) {}

    bool holds(const Condition& condition) const {
        switch (condition.kind) {
            case Condition::Kind::constant: return condition.value;
            case Condition::Kind::atom:
                return dsl::holds(program(), program().atoms[condition.atom], request_);
            case Condition::Kind::negation: return !holds(condition.args.front());
            case Condition::Kind::all_of:
                return std::all_of(condition.args.begin(), condition.args.end(),
                                   [&](const Condition& arg) { return holds(arg); });
            case Condition::Kind::any_of: break;
        }
        return std::any_of(condition.args.begin(), condition.args.end(),
                           [&](const Condition& arg) { return holds(arg); });
    }

    // What stands against the condition being `wanted`: the questions, as they would have to be answered; or,
    // of what is so, as they were.
    void against(const Condition& condition, bool wanted, std::vector<std::string>& why) const {
        if (holds(condition) == wanted) return;
        switch (condition.kind) {
            case Condition::Kind::constant:
                if (!so_) why.emplace_back("it is never so");
                return;
            case Condition::Kind::atom: return atom(program().atoms[condition.atom], wanted != so_, why);
            case Condition::Kind::negation: return against(condition.args.front(), !wanted, why);
            case Condition::Kind::all_of:
            case Condition::Kind::any_of: break;
        }
        // One that fails is enough against `and`; against `or` all are named.
        const bool one_is_enough = (condition.kind == Condition::Kind::all_of) == wanted;
        for (const Condition& arg : condition.args) {
            if (holds(arg) == wanted) continue;
            against(arg, wanted, why);
            if (one_is_enough) return;
        }
    }

  private:
    [[nodiscard]] const Program& program() const { return words_.route.program; }

    void atom(const Atom& atom, bool wanted, std::vector<std::string>& why) const {
        std::string text = (wanted ? "" : "not ") + words_.atom(atom) + ": ";
        if (atom.test == Test::channel_is) {
            text +=
                "the channel is " + print(Value(std::string(request_.channel ? request_.channel->text : "")));
            for (const PatternSegment& segment : program().patterns[atom.left.index]) {
                if (segment.kind == PatternSegment::Kind::insert)
                    text += ", " + words_.operand(segment.insert) + " is " +
                            shown(words_, segment.insert, request_);
            }
            return void(why.push_back(std::move(text)));
        }
        bool first = true;
        for (const Operand* operand : {&atom.left, &atom.right}) {
            if (operand->from == Operand::From::constant) continue;
            if (operand == &atom.right && atom.test == Test::is_true) continue;
            text +=
                (first ? "" : ", ") + words_.operand(*operand) + " is " + shown(words_, *operand, request_);
            first = false;
        }
        why.push_back(std::move(text));
    }

    const Words& words_;
    const Request& request_;
    bool so_;
};

}  // namespace

std::string shown(const Words& words, const Operand& operand, const Request& request) {
    if (secret(words.route, operand)) return "(secret)";
    if (operand.from == Operand::From::lookup &&
        secret(words.route, words.route.program.lookups[operand.index].key))
        return "(secret)";
    std::string text = print(copy_of(fetch(words.route.program, operand, request)), words.type_of(operand));
    if (text.size() > longest_value) text = text.substr(0, longest_value) + "…";
    return text;
}

Finding find_out(const Words& words, const Condition& condition, const Request& request) {
    Finding out;
    out.holds = Tracer(words, request, false).holds(condition);
    Tracer(words, request, out.holds).against(condition, !out.holds, out.why);
    return out;
}

}  // namespace wayleave::dsl
