#include "daemon/decision/message_book.h"

#include <algorithm>
#include <set>

namespace wayleave {
namespace {

const std::string others = "(other)";

// By block: its types as they are written, sorted.
std::vector<std::string> types_of(const dsl::Route& route) {
    std::vector<std::set<std::string>> types(route.messages.size());
    for (const auto& [type, block] : route.exact_types) types[block].insert(type);
    for (const auto& [prefix, block] : route.type_prefixes) types[block].insert(prefix + "*");
    std::vector<std::string> out;
    for (const std::set<std::string>& names : types) {
        std::string text;
        for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
        out.push_back(std::move(text));
    }
    return out;
}

}  // namespace

MessageCounters::One MessageBook::counter(const std::string& route, const std::string& types) {
    const Key key{route, types};
    if (const auto known = counts_.find(key); known != counts_.end()) return known->second;
    if (counts_.size() >= most_types && types != others) return counter(route, others);
    return counts_.emplace(key, std::make_shared<Counter>()).first->second;
}

std::shared_ptr<const MessageCounters> MessageBook::of(const dsl::Route& route) {
    const std::lock_guard lock(mutex_);
    std::vector<MessageCounters::One> blocks;
    for (const std::string& types : types_of(route)) blocks.push_back(counter(route.name, types));
    return std::make_shared<const MessageCounters>(route, std::move(blocks), counter(route.name, others));
}

void MessageBook::keep_only(const dsl::Policy& policy) {
    std::set<Key> named;
    for (const auto& route : policy.routes) {
        named.emplace(route->name, others);
        for (std::string& types : types_of(*route)) named.emplace(route->name, std::move(types));
    }
    const std::lock_guard lock(mutex_);
    std::erase_if(counts_, [&](const auto& item) { return !named.contains(item.first); });
}

MessageBook::Counts MessageBook::read() const {
    const std::lock_guard lock(mutex_);
    Counts out;
    for (const auto& [key, counter] : counts_) out.emplace(key, counter->get());
    return out;
}

}  // namespace wayleave
