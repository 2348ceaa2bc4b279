#include "daemon/broker/redis/lanes.h"

#include <algorithm>
#include <utility>

#include "daemon/broker/redis/entry.h"

namespace wayleave {
namespace {

constexpr size_t most_items = 64;  // of a turn: a call stays below 2 ms of Redis
constexpr size_t most_bytes = 256 << 10;

bool deduplicated(const Draft& draft) {
    return draft.retention.dedup_ms > 0 && !draft.dedup.empty();
}

bool needs_script(const Draft& draft) {
    return draft.retention.history > 0 || deduplicated(draft);
}

}  // namespace

void RedisLanes::add(Waiting waiting) {
    Lane& lane = lanes_.at(partition_of(waiting.draft.channel) % lanes_.size());
    lane.waiting.push_back(std::move(waiting));
}

void RedisLanes::flush() {
    for (Lane& lane : lanes_) {
        if (!lane.busy && !lane.waiting.empty()) begin(lane);
    }
}

bool RedisLanes::empty() const {
    return std::all_of(lanes_.begin(), lanes_.end(),
                       [](const Lane& lane) { return lane.waiting.empty() && !lane.busy; });
}

void RedisLanes::give_up(const std::string& because) {
    for (Lane& lane : lanes_) {
        for (const Waiting& waiting : std::exchange(lane.waiting, {}))
            answer(waiting, {Receipt::Status::unavailable, {}, because});
    }
}

// All in one pipeline, in their order: those that stand together and need the script by one call of it.
void RedisLanes::begin(Lane& lane) {
    auto turn = std::make_shared<Turn>(Turn{lane, {}, 0});
    size_t bytes = 0;
    while (!lane.waiting.empty() && turn->items.size() < most_items && bytes < most_bytes) {
        bytes += lane.waiting.front().bytes;
        turn->items.push_back(std::move(lane.waiting.front()));
        lane.waiting.pop_front();
    }
    lane.busy = true;
    turn->open = 1;  // until all are sent
    for (size_t i = 0; i < turn->items.size();) {
        if (!needs_script(turn->items[i].draft)) {
            publish_plain(turn, i++);
            continue;
        }
        Run run{i, i};
        while (run.end < turn->items.size() && needs_script(turn->items[run.end].draft)) ++run.end;
        publish_run(turn, run);
        i = run.end;
    }
    close(turn);
}

void RedisLanes::close(const std::shared_ptr<Turn>& turn) {
    if (--turn->open > 0) return;
    turn->lane.busy = false;
}

void RedisLanes::answer(const Waiting& waiting, Receipt receipt) {
    shared_.gate.leave(waiting.bytes);
    shared_.answer(waiting.ticket, std::move(receipt));
}

void RedisLanes::publish_plain(const std::shared_ptr<Turn>& turn, size_t index) {
    ++turn->open;
    const Draft& draft = turn->items[index].draft;
    calls_.ask({"SPUBLISH", shared_.keys.messages(draft.channel), unnumbered_entry(draft, shared_.node)},
               [this, turn, index](const RedisReply& reply) {
                   Receipt receipt;
                   if (reply.failed()) {
                       receipt = {Receipt::Status::unavailable, {}, words_of(reply)};
                   } else {
                       shared_.counters.published.add();
                   }
                   answer(turn->items[index], std::move(receipt));
                   close(turn);
               });
}

void RedisLanes::publish_run(const std::shared_ptr<Turn>& turn, Run run) {
    ++turn->open;
    shared_.counters.batches.add();
    std::vector<std::string> keys;
    std::vector<std::string> arguments;
    keys.reserve(3 * (run.end - run.begin));
    arguments.reserve(6 * (run.end - run.begin));
    for (size_t i = run.begin; i < run.end; ++i) {
        const Draft& draft = turn->items[i].draft;
        keys.push_back(shared_.keys.numbering(draft.channel));
        keys.push_back(shared_.keys.history(draft.channel));
        // Where there is no id the script looks at none; a key has to stand there all the same.
        keys.push_back(deduplicated(draft) ? shared_.keys.dedup(draft.channel, draft.dedup) : keys.back());
        arguments.push_back(shared_.keys.messages(draft.channel));
        arguments.push_back(entry_body(draft, shared_.node));
        arguments.push_back(shared_.fresh_epoch());
        arguments.push_back(std::to_string(draft.retention.history));
        arguments.push_back(std::to_string(std::max<int64_t>(1, draft.retention.keep_ms)));
        arguments.push_back(std::to_string(deduplicated(draft) ? draft.retention.dedup_ms : 0));
    }
    calls_.run(publish_script(), std::move(keys), std::move(arguments),
               [this, turn, run](const RedisReply& reply) {
                   take_run(*turn, run, reply);
                   close(turn);
               });
}

void RedisLanes::take_run(Turn& turn, Run run, const RedisReply& reply) {
    const bool whole = reply.is_list(run.end - run.begin);
    for (size_t i = run.begin; i < run.end; ++i) {
        if (whole) {
            accept(turn.items[i], reply.items[i - run.begin].text);
        } else {
            answer(turn.items[i], {Receipt::Status::unavailable, {}, words_of(reply)});
        }
    }
}

void RedisLanes::accept(const Waiting& waiting, std::string_view text) {
    const char kind = text.empty() ? 'E' : text.front();
    const auto position = read_position(text.substr(std::min<size_t>(1, text.size())));
    if ((kind != 'A' && kind != 'D') || !position) {
        return answer(waiting, {Receipt::Status::unavailable,
                                {},
                                "what stands in Redis for this channel is not this program's"});
    }
    (kind == 'A' ? shared_.counters.published : shared_.counters.duplicates).add();
    if (position->epoch != 0) shared_.table.noted(waiting.draft.channel, *position);
    const auto status = kind == 'A' ? Receipt::Status::accepted : Receipt::Status::duplicate;
    answer(waiting, {status, *position, {}});
}

}  // namespace wayleave
