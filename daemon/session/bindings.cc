#include "daemon/session/bindings.h"

#include <string>

namespace wayleave {
namespace {

constexpr size_t most_bindings = 4096;

std::string binding_key(const dsl::Route& route, const dsl::AtomBits& answers) {
    std::string key(route.name);
    key += '\0';
    key.append(reinterpret_cast<const char*>(answers.data()), answers.size() * sizeof answers[0]);
    return key;
}

}  // namespace

std::shared_ptr<const Binding> Bindings::bind(const dsl::Route& route, const dsl::AtomBits& answers) {
    std::string key = binding_key(route, answers);
    if (const auto it = bindings_.find(key); it != bindings_.end()) return it->second;
    if (bindings_.size() >= most_bindings) forget();
    auto binding = std::make_shared<const Binding>(
        Binding{runtime_, &route, dsl::fold(route.program, answers), counters_of(route)});
    bindings_.emplace(std::move(key), binding);
    return binding;
}

std::shared_ptr<const MessageCounters> Bindings::counters_of(const dsl::Route& route) {
    auto& known = counters_[&route];
    if (!known) known = messages_.of(route);
    return known;
}

void Bindings::replace(std::shared_ptr<const Runtime> runtime) {
    runtime_ = std::move(runtime);
    counters_.clear();
    forget();
    messages_.keep_only(*runtime_->policy);
}

}  // namespace wayleave
