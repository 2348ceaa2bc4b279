#include "dsl/policy/describe.h"

#include <algorithm>
#include <array>

#include "dsl/policy/attributes.h"

namespace wayleave::dsl {
namespace {

constexpr int64_t day_ms = 86'400'000;

struct Unit {
    int64_t factor;
    std::string_view name;
};

// The largest unit that leaves no rest.
std::string with_unit(int64_t value, std::initializer_list<Unit> units) {
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0)
            return std::to_string(value / unit.factor) + std::string(unit.name);
    }
    return std::to_string(value) + std::string(std::prev(units.end())->name);
}

std::string two_digits(int64_t number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
}

// Days since 1970 to a date; H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
std::string date_text(int64_t days) {
    days += 719'468;
    const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
    const int64_t day_of_era = days - era * 146'097;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t shifted = (5 * day_of_year + 2) / 153;
    const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    std::string text = std::to_string(year);
    text.insert(0, text.size() < 4 ? 4 - text.size() : 0, '0');
    return text + "-" + two_digits(month) + "-" + two_digits(day_of_year - (153 * shifted + 2) / 5 + 1);
}

std::string number_text(int64_t value, Kind kind) {
    switch (kind) {
        case Kind::size: return with_unit(value, {{1 << 20, "mb"}, {1 << 10, "kb"}, {1, "b"}});
        case Kind::time:
            return with_unit(value, {{day_ms, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}});
        case Kind::date: return date_text(value);
        default: return std::to_string(value);
    }
}

std::string_view sign(Test test) {
    switch (test) {
        case Test::equal: return " == ";
        case Test::less: return " < ";
        case Test::less_equal: return " <= ";
        case Test::like: return " like ";
        case Test::overlaps: return " overlaps ";
        default: return " in ";
    }
}

// The same question asked from the other side; empty where there is none.
std::string_view turned_sign(Test test) {
    switch (test) {
        case Test::equal: return " == ";
        case Test::less: return " > ";
        case Test::less_equal: return " >= ";
        default: return "";
    }
}

// The question whether a grant was brought, as `with` asks it.
bool is_brought(const Route& route, const Atom& atom) {
    if (atom.test != Test::is_true || atom.left.from != Operand::From::attribute) return false;
    return atom.left.attribute == Attribute::grant &&
           std::any_of(route.grants.begin(), route.grants.end(),
                       [&](const Grant& grant) { return grant.first == atom.left.slot; });
}

// Order has no meaning, so it gets one: the alphabet.
std::string joined(std::vector<std::string> parts, std::string_view between) {
    std::sort(parts.begin(), parts.end());
    std::string out;
    for (const std::string& part : parts) out += (out.empty() ? "" : std::string(between)) + part;
    return out;
}

}  // namespace

std::string print(const Value& value, Type type) {
    if (const auto* number = std::get_if<int64_t>(&value.held)) return number_text(*number, type.kind);
    const auto* list = std::get_if<std::vector<Scalar>>(&value.held);
    if (!list) return print(value);
    std::string out = "{";
    for (const Scalar& scalar : *list)
        out += (out.size() == 1 ? " " : ", ") + print(to_value(scalar), {type.kind, Shape::one});
    return out + (list->empty() ? "}" : " }");
}

std::string print(const Outcome& outcome) {
    switch (outcome.kind) {
        case OutcomeKind::status: return "status " + std::to_string(outcome.code);
        case OutcomeKind::close: return "close " + std::to_string(outcome.code);
        case OutcomeKind::error: return "error " + print(Value(outcome.name));
        case OutcomeKind::drop: break;
    }
    return "drop";
}

std::string member_text(const std::string& name, const std::vector<std::string>& member) {
    if (member.size() == 1 && member.front() == name) return {};
    std::string path;
    for (const std::string& part : member) path += (path.empty() ? "" : ".") + part;
    return " as " + print(Value(path));
}

std::string absent_text(bool required, const Value& otherwise, Type type) {
    return required ? " required" : " else " + print(otherwise, type);
}

std::string field_text(const FieldDecl& field) {
    std::string text =
        "field " + field.name + " : " + to_string(field.type) + member_text(field.name, field.member);
    if (!field.in.empty()) text += " in " + print(Value(field.in), field.type);
    return text + absent_text(field.required, field.otherwise, field.type);
}

std::string origins_text(const Origins& origins) {
    if (origins.any) return "any";
    std::vector<std::string> parts;
    if (origins.absent) parts.emplace_back("none");
    if (origins.same_host) parts.emplace_back("same_host");
    for (const std::string& origin : origins.exact) parts.push_back(print(Value(origin)));
    for (const auto& [before, after] : origins.subdomains)
        parts.push_back(print(Value(before + "*" + after)));
    return "{ " + joined(std::move(parts), ", ") + " }";
}

Type Words::type_of(const Operand& operand) const {
    if (operand.from == Operand::From::lookup) return {Kind::string, Shape::one};
    if (operand.from == Operand::From::constant) return {Kind::string, Shape::one};
    switch (operand.attribute) {
        case Attribute::fact: return route.shape->facts[operand.slot].type;
        case Attribute::grant: return route.grant_shape->facts[operand.slot].type;
        case Attribute::field:
            return message ? message->fields[operand.slot].type : Type{Kind::string, Shape::one};
        case Attribute::channel_segment: return {Kind::string, Shape::one};
        case Attribute::connection: return {Kind::integer, Shape::one};
        default: break;
    }
    for (const std::string_view name : builtin_names()) {
        const Symbol* symbol = builtin(name);
        if (symbol->operand.attribute == operand.attribute) return symbol->type;
    }
    return {Kind::string, Shape::one};
}

std::string Words::attribute(const Operand& operand) const {
    switch (operand.attribute) {
        case Attribute::fact: return route.shape->facts[operand.slot].name;
        case Attribute::grant: return route.grant_shape->facts[operand.slot].name;
        case Attribute::field:
            return message ? message->fields[operand.slot].name : "field " + std::to_string(operand.slot + 1);
        case Attribute::channel_segment:
            if (const std::string name = segment_name(operand.slot); !name.empty()) return name;
            return "segment " + std::to_string(operand.slot + 1) + " of the channel";
        case Attribute::connection: return "connection";
        default: break;
    }
    for (const std::string_view name : builtin_names()) {
        if (builtin(name)->operand.attribute == operand.attribute) return std::string(name);
    }
    return "?";
}

std::string Words::segment_name(size_t segment) const {
    if (!segments) return {};
    const auto it = segments->find(segment);
    return it == segments->end() ? std::string() : it->second;
}

std::string Words::operand(const Operand& operand) const {
    if (operand.from == Operand::From::attribute) return attribute(operand);
    if (operand.from == Operand::From::constant) return print(route.program.constants[operand.index]);
    const Lookup& lookup = route.program.lookups[operand.index];
    std::vector<std::string> entries;
    for (const auto& [key, entry] : lookup.entries)
        entries.push_back(print(to_value(key), type_of(lookup.key)) + ": " + print(entry));
    return "{ " + joined(std::move(entries), ", ") + " }[" + this->operand(lookup.key) + "] else " +
           print(lookup.otherwise);
}

std::string Words::typed(const Operand& operand, Type type) const {
    if (operand.from != Operand::From::constant) return this->operand(operand);
    return print(route.program.constants[operand.index], type);
}

// A constant's type is that of what it is compared with.
std::string Words::value(const Operand& constant, const Operand& beside) const {
    if (constant.from != Operand::From::constant || beside.from != Operand::From::attribute)
        return operand(constant);
    return print(route.program.constants[constant.index], type_of(beside));
}

std::string Words::atom(const Atom& atom) const {
    if (atom.test == Test::channel_is)
        return "channel is " + pattern(route.program.patterns[atom.left.index]);
    if (atom.test == Test::is_true) return operand(atom.left);
    const bool turned = atom.left.from == Operand::From::constant && !turned_sign(atom.test).empty();
    if (turned)  // the attribute first, as one writes it
        return operand(atom.right) + std::string(turned_sign(atom.test)) + value(atom.left, atom.right);
    return value(atom.left, atom.right) + std::string(sign(atom.test)) + value(atom.right, atom.left);
}

std::string Words::pattern(const Pattern& pattern) const {
    constexpr std::array<std::string_view, 6> types{"(date)", "(uuid)", "(int)", "(hex)", "(slug)", ""};
    std::string out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const PatternSegment& segment = pattern[i];
        const std::string name = segment_name(i);
        if (!out.empty()) out += '/';
        switch (segment.kind) {
            case PatternSegment::Kind::text: out += segment.text; break;
            case PatternSegment::Kind::any: out += '*'; break;
            case PatternSegment::Kind::rest: out += "**"; break;
            case PatternSegment::Kind::insert: out += "{" + operand(segment.insert) + "}"; break;
            case PatternSegment::Kind::capture:
                out += name.empty() ? "*" : ":" + name;
                out += types[static_cast<size_t>(segment.type)];
                break;
        }
    }
    return out;
}

std::string Words::condition(const Condition& condition) const {
    switch (condition.kind) {
        case Condition::Kind::constant: return condition.value ? "true" : "false";
        case Condition::Kind::atom: return atom(route.program.atoms[condition.atom]);
        case Condition::Kind::negation: return "not (" + this->condition(condition.args.front()) + ")";
        case Condition::Kind::all_of:
        case Condition::Kind::any_of: break;
    }
    std::vector<std::string> parts;
    for (const Condition& arg : condition.args) {
        const bool group = arg.kind == Condition::Kind::all_of || arg.kind == Condition::Kind::any_of;
        parts.push_back(group ? "(" + this->condition(arg) + ")" : this->condition(arg));
    }
    return joined(std::move(parts), condition.kind == Condition::Kind::all_of ? " and " : " or ");
}

std::string Words::path(const BackendPath& to) const {
    std::string text = to.pieces.empty() ? to.path : std::string();
    for (const PathPiece& piece : to.pieces)
        text += piece.text + (piece.insert ? "{" + operand(*piece.insert) + "}" : "");
    return print(Value(text));
}

std::string Words::tail(const Condition& condition, const std::optional<AskedBackend>& by) const {
    const auto is_channel = [&](const Condition& c) {
        return c.kind == Condition::Kind::atom && route.program.atoms[c.atom].test == Test::channel_is;
    };
    const auto is_grant = [&](const Condition& c) {
        return c.kind == Condition::Kind::atom && is_brought(route, route.program.atoms[c.atom]);
    };
    std::vector<Condition> rest =
        condition.kind == Condition::Kind::all_of ? condition.args : std::vector{condition};
    std::string text;
    if (!rest.empty() && is_channel(rest.front())) {
        text += " on " + pattern(route.program.patterns[route.program.atoms[rest.front().atom].left.index]);
        rest.erase(rest.begin());
    }
    if (!rest.empty() && is_grant(rest.front())) {
        text += " " + atom(route.program.atoms[rest.front().atom]);
        rest.erase(rest.begin());
    }
    if (by) text += " by " + by->name + " " + path(by->to);
    if (rest.empty()) return text;
    const Condition left = Condition::all_of(std::move(rest));
    if (left.kind == Condition::Kind::constant) return text + (left.value ? "" : " if false");
    return text + " if " + this->condition(left);
}

std::string Words::condition_of(RootId root) const {
    if (root >= route.clauses.size() || route.clauses[root].empty()) return {};
    const Condition& condition = route.clauses[root].front().condition;
    if (condition.kind == Condition::Kind::constant && condition.value) return {};
    return " if " + this->condition(condition);
}

std::string Words::limit(const Limit& limit) const {
    std::string text = "limit " + std::string(to_string(limit.meter)) + " to " + operand(limit.to) + " per ";
    for (size_t i = 0; i < limit.per.size(); ++i) text += (i > 0 ? ", " : "") + operand(limit.per[i]);
    if (limit.burst) text += " burst " + std::to_string(*limit.burst);
    if (limit.replace_oldest) text += " on excess replace_oldest";
    text += condition_of(limit.condition);
    if (limit.then) text += " then " + print(*limit.then);
    if (!limit.because.empty()) text += " because " + print(Value(limit.because));
    return text;
}

std::string Words::rule(std::string_view action, const Clause& clause) const {
    const RuleInfo& rule = route.rules[clause.rule];
    std::string text = rule.allow ? "allow" : "deny";
    if (!action.empty()) text += " " + std::string(action);
    text += tail(clause.condition, rule.by);
    if (rule.then) text += " then " + print(*rule.then);
    if (!rule.because.empty()) text += " because " + print(Value(rule.because));
    return text;
}

}  // namespace wayleave::dsl
