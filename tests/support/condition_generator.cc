#include "tests/support/condition_generator.h"

#include <array>

#include "tests/support/sample_values.h"

namespace wayleave::tests {
namespace {

using namespace dsl;

constexpr std::array ordered{Kind::integer, Kind::floating, Kind::size, Kind::time, Kind::date};
constexpr std::array comparable{Kind::string, Kind::integer, Kind::boolean, Kind::ip,   Kind::floating,
                                Kind::date,   Kind::size,    Kind::time,    Kind::rate, Kind::net};
constexpr std::array elements{Kind::string, Kind::integer, Kind::date, Kind::floating, Kind::boolean};
constexpr std::array globs{R"("a*")",  R"("*")",     R"("*n")",    R"("a*a")",
                           R"("/r*")", R"("*a*b*")", R"("room*")", R"("h*.example.com")"};

}  // namespace

const std::vector<Known>& builtin_attributes() {
    static const std::vector<Known> all{
        {"tls", {Kind::boolean, Shape::one}, Stage::arrival},
        {"ip", {Kind::ip, Shape::one}, Stage::arrival},
        {"subnet", {Kind::net, Shape::one}, Stage::arrival},
        {"host", {Kind::string, Shape::one}, Stage::arrival},
        {"path", {Kind::string, Shape::one}, Stage::arrival},
        {"origin", {Kind::string, Shape::one}, Stage::arrival},
        {"subprotocol", {Kind::string, Shape::one}, Stage::arrival},
        {"channel", {Kind::string, Shape::one}, Stage::channel},
        {"message.type", {Kind::string, Shape::one}, Stage::message},
        {"message.size", {Kind::size, Shape::one}, Stage::message},
        {"message.binary", {Kind::boolean, Shape::one}, Stage::message},
        {"connection.age", {Kind::time, Shape::one}, Stage::message},
        {"connection.subscriptions", {Kind::integer, Shape::one}, Stage::message}};
    return all;
}

Scope until(const Scope& scope, Stage stage) {
    Scope out{{}, scope.lets};
    for (const Known& known : scope.names) {
        if (known.stage <= stage) out.names.push_back(known);
    }
    return out;
}

std::vector<std::string> ConditionGenerator::names(Type type, bool constants) const {
    std::vector<std::string> out;
    if (!constants) {
        for (const Known& known : scope_.names) {
            if (known.type == type) out.push_back(known.name);
        }
    }
    for (const KnownLet& let : scope_.lets) {
        if (let.form == KnownLet::Form::value && let.type == type && (let.constant || !constants))
            out.push_back(let.name);
    }
    return out;
}

std::string ConditionGenerator::lookup(Kind value) {
    std::vector<const KnownLet*> maps;
    for (const KnownLet& let : scope_.lets) {
        if (let.form == KnownLet::Form::map && let.value == value) maps.push_back(&let);
    }
    if (maps.empty()) return {};
    const KnownLet& map = *choices_.pick(maps);
    const auto keys = names(map.type, false);
    const std::string key =
        keys.empty() || choices_.chance(10) ? sample_literal(map.type.kind, choices_) : choices_.pick(keys);
    return map.name + "[" + key + "] else " + sample_literal(value, choices_);
}

std::string ConditionGenerator::operand(Kind kind) {
    const auto known = names({kind, Shape::one}, false);
    if (!known.empty() && choices_.chance(75)) return choices_.pick(known);
    if (choices_.chance(20)) {
        if (std::string out = lookup(kind); !out.empty()) return out;
    }
    return sample_literal(kind, choices_);
}

std::string ConditionGenerator::segment_name() {
    auto known = names({Kind::string, Shape::one}, false);
    for (const std::string& number : names({Kind::integer, Shape::one}, false)) known.push_back(number);
    return known.empty() ? "host" : choices_.pick(known);
}

// --- sets ---

std::string ConditionGenerator::literal_set(Kind kind) {
    std::string out = "{ " + sample_literal(kind, choices_);
    for (size_t i = choices_.below(4); i > 0; --i) out += ", " + sample_literal(kind, choices_);
    return out + " }";
}

std::string ConditionGenerator::set(Kind kind, bool constant) {
    const auto known = names({kind, Shape::set}, constant);
    if (!known.empty() && choices_.chance(50)) return choices_.pick(known);
    const auto lists = names({kind, Shape::list}, constant);
    if (!lists.empty() && choices_.chance(30)) return choices_.pick(lists);
    return literal_set(kind);
}

// --- conditions ---

std::string ConditionGenerator::truth() {
    for (const KnownLet& let : scope_.lets) {
        if (let.form == KnownLet::Form::condition && choices_.chance(30)) return let.name;
    }
    const auto known = names({Kind::boolean, Shape::one}, false);
    if (known.empty() || choices_.chance(10)) return sample_literal(Kind::boolean, choices_);
    if (choices_.chance(15)) {
        if (std::string out = lookup(Kind::boolean); !out.empty()) return out;
    }
    return choices_.pick(known);
}

std::string ConditionGenerator::equality() {
    const Kind kind = choices_.pick(comparable);
    return operand(kind) + (choices_.chance(40) ? " != " : " == ") + operand(kind);
}

std::string ConditionGenerator::order() {
    constexpr std::array signs{" < ", " <= ", " > ", " >= "};
    const Kind kind = choices_.pick(ordered);
    return operand(kind) + choices_.pick(signs) + operand(kind);
}

std::string ConditionGenerator::membership() {
    const Kind kind = choices_.pick(elements);
    if (choices_.chance(25)) {  // not all of it is constant
        std::string out = operand(kind) + " in { " + operand(kind);
        for (size_t i = choices_.below(3); i > 0; --i) out += ", " + operand(kind);
        return out + " }";
    }
    return operand(kind) + " in " + set(kind, false);
}

std::string ConditionGenerator::address() {
    const Kind kind = choices_.chance(30) ? Kind::net : Kind::ip;
    const std::string left = operand(kind) + " in ";
    if (choices_.chance(30)) return left + sample_literal(Kind::net, choices_);
    if (choices_.chance(30)) return left + set(Kind::net, true);
    if (choices_.chance(30)) return left + mixed_nets(kind);
    std::string out = left + "{ " + sample_literal(choices_.chance(40) ? Kind::ip : Kind::net, choices_);
    for (size_t i = choices_.below(5); i > 0; --i)
        out += ", " + sample_literal(choices_.chance(40) ? Kind::ip : Kind::net, choices_);
    return out + " }";
}

// Not all of it is constant. A net can lie in another, in no address that is known only later.
std::string ConditionGenerator::mixed_nets(Kind left) {
    const auto element = [&]() -> std::string {
        auto known = names({Kind::net, Shape::one}, false);
        if (left == Kind::ip) {
            for (const std::string& ip : names({Kind::ip, Shape::one}, false)) known.push_back(ip);
        }
        if (!known.empty() && choices_.chance(60)) return choices_.pick(known);
        return sample_literal(choices_.chance(30) ? Kind::ip : Kind::net, choices_);
    };
    std::string out = "{ " + element();
    for (size_t i = choices_.below(3); i > 0; --i) out += ", " + element();
    return out + " }";
}

// It can hold only for one of few constants: what makes the cases of a switch.
std::string ConditionGenerator::bounded(const std::string& name, Kind kind) {
    const auto literal = [&] { return sample_literal(kind, choices_); };
    const std::string other = " (" + condition(1) + ")";
    const std::string equal = name + " == " + literal();
    switch (choices_.below(8)) {
        case 0: return equal + " and" + other;
        case 1: return "(" + condition(1) + ") and " + literal() + " == " + name;
        case 2: return kind == Kind::ip ? equal : name + " in " + literal_set(kind);
        case 3: return equal + " or " + name + " == " + literal();
        case 4: return "(" + equal + " or " + name + " == " + literal() + ") and" + other;
        case 5: return equal + " and (" + name + " != " + literal() + " or" + other + ")";
        case 6: return name + " == " + literal() + " and" + other + " and " + name + " != " + literal();
        default: return equal;
    }
}

std::string ConditionGenerator::like() {
    return operand(Kind::string) + " like " +
           (choices_.chance(20) ? operand(Kind::string) : choices_.pick(globs));
}

std::string ConditionGenerator::overlaps() {
    const Kind kind = choices_.chance(30) ? Kind::integer : Kind::string;
    return set(kind, false) + " overlaps " + set(kind, false);
}

// In parentheses where it is joined itself.
std::string ConditionGenerator::part(size_t depth) {
    if (depth > 0 && choices_.chance(20)) return "(" + joined(depth - 1) + ")";
    std::string out;
    switch (choices_.below(8)) {
        case 0: out = truth(); break;
        case 1:
        case 2: out = equality(); break;
        case 3: out = order(); break;
        case 4: out = membership(); break;
        case 5: out = address(); break;
        case 6: out = like(); break;
        default: out = overlaps(); break;
    }
    if (!choices_.chance(25)) return out;
    return choices_.chance(50) ? "not " + out : "not (" + out + ")";
}

std::string ConditionGenerator::joined(size_t depth) {
    const std::string sign = choices_.chance(50) ? " and " : " or ";
    std::string out = part(depth);
    for (size_t i = choices_.below(3) + 1; i > 0; --i) out += sign + part(depth);
    return out;
}

std::string ConditionGenerator::condition(size_t depth) {
    return depth > 0 && choices_.chance(40) ? joined(depth) : part(depth);
}

}  // namespace wayleave::tests
