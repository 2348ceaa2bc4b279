#include "daemon/decision/decision_book.h"

namespace wayleave {
namespace {

constexpr size_t most_decisions = 2048;  // beyond them all are "other": a scrape stays small

}  // namespace

void DecisionBook::count(std::string_view decision, std::string_view route, Reason reason) {
    const std::lock_guard lock(mutex_);
    Key key{std::string(decision), std::string(route), reason};
    if (counts_.size() >= most_decisions && !counts_.contains(key)) key = {"other", "other", reason};
    ++counts_[std::move(key)];
}

void DecisionBook::keep_only(std::string_view policy_hash) {
    const std::lock_guard lock(mutex_);
    std::erase_if(counts_, [&](const auto& item) { return !item.first.decision.starts_with(policy_hash); });
}

std::map<DecisionBook::Key, uint64_t> DecisionBook::read() const {
    const std::lock_guard lock(mutex_);
    return counts_;
}

}  // namespace wayleave
