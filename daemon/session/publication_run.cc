#include "daemon/session/publication_run.h"

#include <algorithm>
#include <string>
#include <utility>

namespace wayleave {
namespace {

// In one lane, and numbered without a gap.
bool can_be_one(std::span<const Publication> publications) {
    const Message& first = *publications.front();
    if (publications.size() == 1) return false;
    for (size_t i = 1; i < publications.size(); ++i) {
        const Message& next = *publications[i];
        if (next.lane != first.lane) return false;
        if (first.position.epoch != 0 && next.position.offset != first.position.offset + i) return false;
    }
    return true;
}

}  // namespace

size_t bytes_of(std::span<const Publication> publications) {
    size_t bytes = 0;
    for (const Publication& publication : publications) bytes += publication->frame.bytes().size();
    return bytes;
}

PublicationRun::PublicationRun(std::span<const Publication> publications)
    : publications_(publications),
      bytes_(bytes_of(publications)),
      joinable_(can_be_one(publications)),
      numbered_(publications.front()->position.epoch != 0) {}

bool PublicationRun::is_whole_for(const Subscriber& subscriber) const {
    if (!joinable_) return false;
    if (numbered_ && subscriber.offset + 1 != publications_.front()->position.offset) return false;
    return std::none_of(publications_.begin(), publications_.end(), [&](const Publication& publication) {
        return publication->except == subscriber.session->number;
    });
}

const Frame& PublicationRun::joined() {
    if (joined_) return joined_;
    std::string all;
    all.reserve(bytes_);
    for (const Publication& publication : publications_) all += publication->frame.bytes();
    joined_ = framed(std::move(all));
    return joined_;
}

size_t run_length(std::span<const Publication> publications, size_t readers, const Allowance& allowance) {
    const Message& first = *publications.front();
    size_t bytes = first.frame.bytes().size();
    size_t length = 1;
    for (; length < publications.size(); ++length) {
        const Message& next = *publications[length];
        const bool alike = next.channel == first.channel && next.position.epoch == first.position.epoch &&
                           next.announcement == first.announcement && !next.stands;
        const size_t cost = Allowance::cost(readers * length, length);
        if (!alike || cost >= allowance.deliveries || readers * bytes >= allowance.bytes) break;
        bytes += next.frame.bytes().size();
    }
    return length;
}

}  // namespace wayleave
