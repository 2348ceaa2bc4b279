#include "dsl/compile/names.h"

namespace wayleave::dsl {
const ast::Let* Lets::add(const ast::Let& let) {
    if (const ast::Let* known = find(let.name.text)) return known;
    lets_.emplace(let.name.text, &let);
    return nullptr;
}

const ast::Let* Lets::find(std::string_view name) const {
    const auto it = lets_.find(name);
    const ast::Let* found = it != lets_.end() ? it->second : outer_ ? outer_->find(name) : nullptr;
    if (!found || !instead_) return found;
    const auto other = instead_->find(name);
    return other != instead_->end() ? other->second : found;
}

void Lets::names(std::vector<std::string_view>& out) const {
    for (const auto& [name, let] : lets_) out.push_back(name);
    if (outer_) outer_->names(out);
}

const Symbol* Names::find(std::string_view name) const {
    if (const auto it = symbols.find(name); it != symbols.end()) return &it->second;
    return builtin(name);
}

std::vector<std::string_view> Names::all() const {
    std::vector<std::string_view> out = builtin_names();
    for (const auto& [name, symbol] : symbols) out.push_back(name);
    if (lets) lets->names(out);
    return out;
}

}  // namespace wayleave::dsl
