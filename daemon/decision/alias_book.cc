#include "daemon/decision/alias_book.h"

namespace wayleave {

void AliasBook::opened(std::string_view alias) {
    const std::lock_guard lock(mutex_);
    Count& count = counts_.try_emplace(std::string(alias)).first->second;
    ++count.handshakes;
    ++count.sessions;
}

void AliasBook::closed(std::string_view alias) {
    const std::lock_guard lock(mutex_);
    const auto it = counts_.find(alias);
    if (it != counts_.end() && it->second.sessions > 0) --it->second.sessions;
}

void AliasBook::keep_only(const std::function<bool(std::string_view)>& is_known) {
    const std::lock_guard lock(mutex_);
    std::erase_if(counts_,
                  [&](const auto& item) { return item.second.sessions == 0 && !is_known(item.first); });
}

AliasBook::Counts AliasBook::read() const {
    const std::lock_guard lock(mutex_);
    return counts_;
}

}  // namespace wayleave
