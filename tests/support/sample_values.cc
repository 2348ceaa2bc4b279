#include "tests/support/sample_values.h"

#include <algorithm>
#include <array>

#include "dsl/syntax/literal.h"

namespace wayleave::tests {
namespace {

using namespace dsl;

constexpr std::array segments{"room", "user", "a", "b", "7", "x-1", "ann", "2026-11-21", "be:ef"};
constexpr std::array strings{R"("a")",       R"("ann")", R"("room")", R"("7")",   R"("")",
                             R"("a/b")",     R"("*")",   R"("a*")",   R"("x-1")", R"("\"\\")",
                             R"("\u{e9}é")", R"("Ann")", R"("user")"};
constexpr std::array booleans{"true", "false"};
constexpr std::array integers{"1", "0", "-1", "2", "7", "9223372036854775807"};
constexpr std::array floats{"1.5", "0.5", "-2.25", "1.0"};
constexpr std::array ips{"10.2.3.4",    "10.0.0.1", "11.0.0.1",       "192.168.1.1",
                         "2001:db8::1", "::1",      "::ffff:10.0.0.1"};
constexpr std::array nets{"10.0.0.0/8",    "10.2.0.0/16",    "10.2.3.0/24", "0.0.0.0/0",
                          "::/0",          "2001:db8::/32",  "10.2.3.4/32", "2001:db8::/56",
                          "2001:db8::/64", "192.168.0.0/23", "10.0.0.0/7",  "10.2.3.0/28"};
constexpr std::array sizes{"1b", "100b", "1kb", "4kb", "1mb"};
constexpr std::array times{"5s", "1ms", "5000ms", "1m", "1h"};
constexpr std::array rates{"1/s", "2/s", "60/m", "1/d"};
constexpr std::array dates{"2026-11-21", "2000-02-29", "1969-12-31"};
constexpr std::array types{"say", "call", "call.start", "call.a.b", "a.b", "x", "call.", "call.a."};

NodeKind token_of(Kind kind) {
    switch (kind) {
        case Kind::boolean: return NodeKind::boolean;
        case Kind::integer: return NodeKind::integer;
        case Kind::floating: return NodeKind::floating;
        case Kind::string: return NodeKind::string;
        case Kind::ip: return NodeKind::ip;
        case Kind::net: return NodeKind::net;
        case Kind::size: return NodeKind::size;
        case Kind::time: return NodeKind::time;
        case Kind::rate: return NodeKind::rate;
        case Kind::date: return NodeKind::date;
    }
    return NodeKind::none;
}

Scalar sample_scalar(Kind kind, Choices& choices) {
    const Value value = read_literal(token_of(kind), sample_literal(kind, choices)).value;
    return std::visit(
        [](const auto& held) -> Scalar {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::vector<Scalar>>) {
                return false;  // no literal is a set
            } else {
                return held;
            }
        },
        value.held);
}

}  // namespace

std::string sample_literal(Kind kind, Choices& choices) {
    switch (kind) {
        case Kind::boolean: return choices.pick(booleans);
        case Kind::integer: return choices.pick(integers);
        case Kind::floating: return choices.pick(floats);
        case Kind::string: return choices.pick(strings);
        case Kind::ip: return choices.pick(ips);
        case Kind::net: return choices.pick(nets);
        case Kind::size: return choices.pick(sizes);
        case Kind::time: return choices.pick(times);
        case Kind::rate: return choices.pick(rates);
        case Kind::date: return choices.pick(dates);
    }
    return {};
}

Value sample_value(Type type, Choices& choices) {
    if (type.shape == Shape::one) return to_value(sample_scalar(type.kind, choices));
    std::vector<Scalar> elements;
    for (size_t i = choices.below(4); i > 0; --i) elements.push_back(sample_scalar(type.kind, choices));
    if (type.shape == Shape::set) {
        std::sort(elements.begin(), elements.end());
        elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    }
    return Value(std::move(elements));
}

std::string sample_segment(Choices& choices) {
    return choices.pick(segments);
}

std::string sample_channel(Choices& choices) {
    std::string out = sample_segment(choices);
    for (size_t i = choices.below(3); i > 0; --i) out += "/" + sample_segment(choices);
    return out;
}

std::string sample_message_type(Choices& choices) {
    return choices.pick(types);
}

}  // namespace wayleave::tests
