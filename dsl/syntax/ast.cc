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

}  // namespace wayleave::dsl::ast
