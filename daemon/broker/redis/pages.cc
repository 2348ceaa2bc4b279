#include "daemon/broker/redis/pages.h"

#include <algorithm>
#include <utility>

#include "daemon/broker/page.h"
#include "daemon/broker/redis/entry.h"

namespace wayleave {
namespace {

constexpr size_t most_calls = 64;
constexpr size_t most_page_bytes = size_t{1} << 20U;  // of one page
constexpr uint32_t most_messages = 1000;

void put_position(std::vector<std::string>& out, const std::optional<Position>& position) {
    out.push_back(position ? epoch_text(position->epoch) : std::string());
    out.push_back(position ? std::to_string(position->offset) : "0");
}

std::string flags_of(const Query& query) {
    std::string out;
    if (query.oldest) out += 'o';
    if (!query.user.empty()) out += 'u';
    if (query.rest) out += 's';
    if (query.reverse) out += 'r';
    return out;
}

// Beside the channel and the user: what is the same for all that have the same.
std::vector<std::string> arguments_of(const Query& query) {
    std::vector<std::string> out{std::to_string(query.retention.history),
                                 std::to_string(std::max<int64_t>(1, query.retention.keep_ms)),
                                 std::to_string(std::min(query.limit, most_messages)),
                                 std::to_string(std::min(query.bytes, most_page_bytes))};
    put_position(out, query.since);
    put_position(out, query.above);
    out.push_back(flags_of(query));
    return out;
}

std::string key_of(const Query& query) {
    std::string out;
    for (const std::string& argument : arguments_of(query)) out.append(argument).append(" ");
    out.append(std::to_string(query.channel.size())).append(" ").append(query.channel);
    return out.append(query.user);
}

Page failed_page(std::string because) {
    Page page;
    page.because = std::move(because);
    return page;
}

// What the script says of a channel.
std::optional<Extent> extent_of(const RedisReply& reply, bool& cursor_well) {
    const auto epoch = parse_epoch(reply.items[0].text);
    const auto top = read_number(reply.items[1].text);
    const auto oldest = read_number(reply.items[2].text);
    const std::string& cursor = reply.items[3].text;
    const auto acknowledged = cursor.empty() ? Result<uint64_t>(0) : read_number(cursor);
    cursor_well = acknowledged.ok();
    if (!epoch || *epoch == 0 || !top || !oldest || !acknowledged) return std::nullopt;
    if (*oldest == 0 || *oldest > *top + 1 || *acknowledged > *top) return std::nullopt;
    return Extent{{*epoch, *top}, *oldest, *acknowledged > 0, *acknowledged};
}

}  // namespace

void RedisPages::read(Query query, Ticket ticket) {
    const uint64_t client = ticket.client;
    Asked asked{std::move(query), ticket};
    if (waiting_.add(client, asked)) return;
    shared_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    answer(asked, failed_page("too many pages wait for Redis"));
}

void RedisPages::flush() {
    while (calls_under_way_.size() < most_calls && waiting_.size() > 0) begin(waiting_.take());
}

void RedisPages::begin(Asked asked) {
    const std::string key = key_of(asked.query);
    const auto [it, fresh] = calls_under_way_.try_emplace(key);
    if (!fresh) return it->second.late.push_back(std::move(asked));
    const Query query = asked.query;
    it->second.first.push_back(std::move(asked));
    send(query, [this, key](const Page& page, const Ages&) { answered(key, page); });
}

void RedisPages::fetch(Query query, Done done) {
    const Query copy = std::move(query);
    send(copy, std::move(done));
}

void RedisPages::send(const Query& query, Done done) {
    const RedisKeys& keys = shared_.keys;
    std::vector<std::string> arguments = arguments_of(query);
    arguments.insert(arguments.begin(), shared_.fresh_epoch());
    calls_.run(read_script(),
               {keys.numbering(query.channel), keys.history(query.channel),
                query.user.empty() ? keys.numbering(query.channel) : keys.cursor(query.channel, query.user)},
               std::move(arguments), [this, query, done = std::move(done)](const RedisReply& reply) {
                   Ages ages;
                   const Page page = page_of(query, reply, ages);
                   done(page, ages);
               });
}

Page RedisPages::page_of(const Query& query, const RedisReply& reply, Ages& ages) {
    if (reply.failed()) return failed_page(words_of(reply));
    bool cursor_well = false;
    const auto extent = reply.is_list(6) ? extent_of(reply, cursor_well) : std::nullopt;
    if (!extent) {
        shared_.counters.malformed.add();
        return failed_page("what stands in Redis for this channel is not this program's");
    }
    Query bounded = query;
    bounded.limit = std::min(query.limit, most_messages);
    const PagePlan plan = plan_page(bounded, *extent);
    Page page = begin_page(plan, extent->top);
    size_t bytes = 0;
    const auto& entries = reply.items[5].items;
    for (uint64_t i = 0; i < plan.count; ++i) {
        if (i >= entries.size()) {
            page.more = true;  // there were bytes enough
            break;
        }
        auto entry = read_entry(entries[i].text, query.channel, shared_.node, extent->top.epoch);
        const uint64_t offset = query.reverse ? plan.first - i : plan.first + i;
        if (!entry || entry->message->position.offset != offset) {
            shared_.counters.malformed.add();
            return failed_page("what stands in Redis for this channel is not this program's");
        }
        if (!add_to_page(page, bytes, bounded, std::move(entry->message))) break;
        ages.push_back(entry->at_ms);
    }
    return page;
}

void RedisPages::answered(const std::string& key, const Page& page) {
    const auto it = calls_under_way_.find(key);
    if (it == calls_under_way_.end()) return;
    Call call = std::move(it->second);
    calls_under_way_.erase(it);
    const Age age = page.because.empty() ? seen_(call.first.front().query.channel, page) : Age::newest;
    for (Asked& asked : call.first) {
        if (age == Age::forked) {
            begin(std::move(asked));
        } else {
            answer(asked, page);
        }
    }
    for (Asked& asked : call.late) {
        if (age == Age::newest) {
            answer(asked, page);
        } else {
            begin(std::move(asked));
        }
    }
}

void RedisPages::answer(const Asked& asked, Page page) {
    shared_.table.given_up(asked.query.channel);
    shared_.gate.leave(0);
    shared_.answer(asked.ticket, std::move(page));
}

void RedisPages::give_up(const std::string& because) {
    while (waiting_.size() > 0) answer(waiting_.take(), failed_page(because));
}

}  // namespace wayleave
