#include "dsl/syntax/ast.h"

namespace wayleave::dsl::ast {
namespace {

template <class Variant>
Span span_of_any(const Variant& held) {
    return std::visit([](const auto& one) { return one.span; }, held);
}

}  // namespace

std::string Path::text() const {
    std::string out;
    for (const Name& part : parts) {
        if (!out.empty()) out += '.';
        out += part.text;
    }
    return out;
}

Span span_of(const SettingValue& value) {
    return span_of_any(value);
}
Span span_of(const Member& member) {
    return span_of_any(member);
}

std::string_view to_string(Action action) {
    switch (action) {
        case Action::connect: return "connect";
        case Action::subscribe: return "subscribe";
        case Action::publish: return "publish";
        case Action::presence: return "presence";
        case Action::history: return "history";
        case Action::disconnect: return "disconnect";
        case Action::message: return "message";
    }
    return "connect";
}

std::string_view to_string(Meter meter) {
    switch (meter) {
        case Meter::connects: return "connects";
        case Meter::connections: return "connections";
        case Meter::subscriptions: return "subscriptions";
        case Meter::messages: return "messages";
        case Meter::bytes: return "bytes";
    }
    return "connects";
}

}  // namespace wayleave::dsl::ast
