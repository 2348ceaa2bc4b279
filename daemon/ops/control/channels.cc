#include "daemon/ops/control/channels.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/base/json_writer.h"
#include "daemon/base/string_map.h"
#include "daemon/message/message.h"
#include "daemon/ops/control/members.h"
#include "daemon/session/operator_requests.h"

namespace wayleave {
namespace {

constexpr size_t most_channels_listed = 10'000;
constexpr size_t most_names = 200'000;  // that are told apart in one question

struct Counted {
    size_t subscribers = 0;
    Position newest;
};

struct ChannelListing {
    StringMap<Counted> channels;
    bool full = false;

    void add(const ChannelSummary& channel) {
        auto found = channels.find(channel.name);
        if (found == channels.end()) {
            if (channels.size() >= most_names) {
                full = true;
                return;
            }
            found = channels.try_emplace(std::string(channel.name)).first;
        }
        Counted& one = found->second;
        one.subscribers += channel.subscribers;
        if (channel.newest.epoch != one.newest.epoch || channel.newest.offset > one.newest.offset)
            one.newest = channel.newest.epoch == 0 ? one.newest : channel.newest;
    }
};

using Row = std::pair<std::string_view, const Counted*>;

std::vector<Row> largest(const ChannelListing& listing, size_t most) {
    std::vector<Row> rows;
    rows.reserve(listing.channels.size());
    for (const auto& [name, counted] : listing.channels) rows.emplace_back(name, &counted);
    const size_t shown = std::min(most, rows.size());
    std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(shown), rows.end(),
                      [](const Row& a, const Row& b) {
                          if (a.second->subscribers != b.second->subscribers)
                              return a.second->subscribers > b.second->subscribers;
                          return a.first < b.first;
                      });
    rows.resize(shown);
    return rows;
}

std::string json_of(const ChannelListing& listing, size_t most, bool all) {
    JsonArray rows;
    for (const auto& [name, counted] : largest(listing, most)) {
        JsonObject row;
        row.add("channel", name).add("subscribers", counted->subscribers);
        if (counted->newest.epoch != 0)
            row.add("offset", counted->newest.offset).add("epoch", epoch_text(counted->newest.epoch));
        rows.raw(row.text());
    }
    JsonObject out;
    out.add("channels", rows).add("count", listing.channels.size());
    return out.add("more", !all || listing.full || listing.channels.size() > most).text() + "\n";
}

}  // namespace

Result<ChannelQuestion> channel_question(std::string_view body) {
    const auto members = Members::read(body, {{"begins"}, {"most", Members::Kind::number}});
    if (!members) return failure(members.error());
    ChannelQuestion out{members->text("begins")};
    if (const auto most = members->number("most")) out.most = *most;
    if (out.most == 0 || out.most > most_channels_listed) return failure("`most` is from 1 to 10000");
    return out;
}

void list_channels(WorkerQuestions& workers, const ChannelQuestion& question,
                   std::function<void(const std::string& json)> then) {
    const auto listing = std::make_shared<SharedAnswer<ChannelListing>>();
    const auto places = std::make_shared<std::vector<size_t>>(workers.workers());
    workers.ask(
        [listing, places, begins = question.begins](size_t worker, Gateway& gateway, Now) {
            const std::lock_guard lock(listing->mutex);
            return gateway.walk_channels((*places)[worker], [&](const ChannelSummary& channel) {
                if (channel.name.starts_with(begins)) listing->value.add(channel);
            });
        },
        worker_patience_ms,
        [listing, most = question.most, then = std::move(then)](bool all) {
            const std::lock_guard lock(listing->mutex);
            then(json_of(listing->value, most, all));
        });
}

}  // namespace wayleave
