#include "daemon/session/conflator.h"

#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_gathered = 16;  // queues' worth, by all channels

}  // namespace

Conflator::Conflator(Hub& hub, Subscriptions& subscriptions, const Bindings& bindings, Counters& counters,
                     Deliver deliver)
    : hub_(hub),
      subscriptions_(subscriptions),
      bindings_(bindings),
      counters_(counters),
      deliver_(std::move(deliver)) {}

void Conflator::open_window(Channel& channel, int64_t until_ms) {
    channel.gathered = std::make_unique<Gathered>(hub_.gathered_bytes());
    channel.gathered->until_ms = until_ms;
    due_.push({until_ms, channel.name});
}

// More than a subscriber's queue takes is not held back for it, nor more than so many in all channels.
bool Conflator::is_full(const Gathered& gathered) const {
    const GatewaySettings& settings = bindings_.settings();
    return gathered.waiting.size() >= settings.max_queue_messages ||
           gathered.bytes >= settings.max_queue_bytes ||
           hub_.gathered_bytes() >= most_gathered * settings.max_queue_bytes;
}

void Conflator::gather(Channel& channel, const Publication& publication, const dsl::ChannelRules& rules,
                       Now now) {
    const int64_t window_ms = rules.conflate_ms + rules.batch_ms;  // one of them is 0
    if (!channel.gathered) {
        open_window(channel, now.steady_ms + window_ms);
        // The first of its window is new to everybody; a batch waits for its others.
        if (rules.conflate_ms > 0) return deliver_(channel, publication, now);
    }
    Gathered& gathered = *channel.gathered;
    std::vector<Publication>& waiting = gathered.waiting;
    if (rules.conflate_ms > 0) {
        const auto [it, fresh] = gathered.by_key.try_emplace(publication->key, waiting.size());
        if (!fresh) {
            counters_.conflated.add();
            gathered.weigh(publication->frame.bytes().size(), waiting[it->second]->frame.bytes().size());
            waiting[it->second] = publication;
            return;
        }
    }
    waiting.push_back(publication);
    gathered.weigh(publication->frame.bytes().size(), 0);
    if (is_full(gathered)) release(channel, now);
}

void Conflator::release(Channel& channel, Now now) {
    channel.gathered->until_ms = now.steady_ms;
    due_.push({now.steady_ms, channel.name});
    release(now);
}

void Conflator::release(Now now) {
    while (!due_.empty() && due_.top().at_ms <= now.steady_ms) {
        const Due due = due_.top();
        due_.pop();
        Channel* channel = hub_.find(due.channel);
        if (!channel || !channel->gathered || channel->gathered->until_ms != due.at_ms) continue;
        const auto gathered = std::move(channel->gathered);
        const int64_t conflate_ms = subscriptions_.adopt_policy(*channel, now).conflate_ms;
        if (conflate_ms > 0 && !gathered->waiting.empty()) open_window(*channel, now.steady_ms + conflate_ms);
        for (const Publication& publication : gathered->waiting) deliver_(*channel, publication, now);
    }
}

void Conflator::release_all(Now now) {
    std::vector<std::string> names;
    for (; !due_.empty(); due_.pop()) names.push_back(due_.top().channel);
    for (const std::string& name : names) {
        Channel* channel = hub_.find(name);
        if (channel && channel->gathered) release(*channel, now);
    }
}

}  // namespace wayleave
