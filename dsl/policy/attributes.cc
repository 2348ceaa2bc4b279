#include "dsl/policy/attributes.h"

#include <array>

namespace wayleave::dsl {
namespace {

struct Builtin {
    std::string_view name;
    Symbol symbol;
};

constexpr Operand read(Attribute attribute) {
    return {Operand::From::attribute, attribute, 0, 0};
}

constexpr std::array<Builtin, 13> builtins{{
    {"ip", {read(Attribute::ip), {Kind::ip, Shape::one}, Stage::arrival}},
    {"subnet", {read(Attribute::subnet), {Kind::net, Shape::one}, Stage::arrival}},
    {"host", {read(Attribute::host), {Kind::string, Shape::one}, Stage::arrival}},
    {"path", {read(Attribute::path), {Kind::string, Shape::one}, Stage::arrival}},
    {"origin", {read(Attribute::origin), {Kind::string, Shape::one}, Stage::arrival}},
    {"subprotocol", {read(Attribute::subprotocol), {Kind::string, Shape::one}, Stage::arrival}},
    {"tls", {read(Attribute::tls), {Kind::boolean, Shape::one}, Stage::arrival}},
    {"channel", {read(Attribute::channel), {Kind::string, Shape::one}, Stage::channel}},
    {"connection.age", {read(Attribute::connection_age), {Kind::time, Shape::one}, Stage::message}},
    {"connection.subscriptions",
     {read(Attribute::connection_subscriptions), {Kind::integer, Shape::one}, Stage::message}},
    {"message.type", {read(Attribute::message_type), {Kind::string, Shape::one}, Stage::message}},
    {"message.size", {read(Attribute::message_size), {Kind::size, Shape::one}, Stage::message}},
    {"message.binary", {read(Attribute::message_binary), {Kind::boolean, Shape::one}, Stage::message}},
}};

}  // namespace

const Symbol* builtin(std::string_view name) {
    for (const Builtin& row : builtins) {
        if (row.name == name) return &row.symbol;
    }
    return nullptr;
}

std::vector<std::string_view> builtin_names() {
    std::vector<std::string_view> names;
    for (const Builtin& row : builtins) names.push_back(row.name);
    return names;
}

}  // namespace wayleave::dsl
