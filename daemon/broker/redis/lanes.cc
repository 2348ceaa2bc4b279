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
    // By the channel and not by the message, so that the order of a channel stays.
    Lanes& lanes = replicas_.wanted() && waiting.draft.retention.history > 0 ? kept_ : lanes_;
    Lane& lane = lanes.at(partition_of(waiting.draft.channel) % lanes.size());
    lane.waiting.push_back(std::move(waiting));
}

void RedisLanes::flush() {
    for (Lane& lane : lanes_) {
        if (!lane.busy && !lane.waiting.empty()) (void)begin(lane, false);
    }
    if (round_.empty() && !idle(kept_)) begin_round();
}

bool RedisLanes::idle(const Lanes& lanes) {
    return std::all_of(lanes.begin(), lanes.end(),
                       [](const Lane& lane) { return lane.waiting.empty() && !lane.busy; });
}

bool RedisLanes::empty() const {
    return idle(lanes_) && idle(kept_);
}

void RedisLanes::give_up(const std::string& because) {
    for (Lanes* lanes : {&lanes_, &kept_}) {
        for (Lane& lane : *lanes) {
            for (const Waiting& waiting : std::exchange(lane.waiting, {}))
                answer(waiting, {Receipt::Status::unavailable, {}, because});
        }
    }
}

// --- rounds ---

// One at a time: with a second WAIT behind the first, replicas that stand still would make the call between
// them so late that it costs the link.
void RedisLanes::begin_round() {
    for (Lane& lane : kept_) {
        if (!lane.waiting.empty()) round_.push_back(begin(lane, true));
    }
    confirm();
}

void RedisLanes::confirm() {
    confirming_ = true;
    replicas_.confirm([this](const std::string& because) { confirmed(because); });
}

// A call that was repeated has been behind the WAIT, and is answered by another one.
void RedisLanes::confirmed(const std::string& because) {
    confirming_ = false;
    for (const auto& turn : std::exchange(round_, {})) {
        if (turn->open > 0) {
            round_.push_back(turn);
        } else {
            finish(*turn, because);
        }
    }
}

void RedisLanes::finish(Turn& turn, const std::string& because) {
    turn.lane.busy = false;
    for (size_t i = 0; i < turn.items.size(); ++i) {
        Receipt& receipt = turn.receipts[i];
        const bool kept = receipt.status != Receipt::Status::unavailable;
        if (kept && !because.empty()) {
            shared_.counters.unconfirmed.add();
            // With its position, since it stands there.
            receipt = {Receipt::Status::unavailable, receipt.position, because};
        }
        answer(turn.items[i], std::move(receipt));
    }
}

// --- turns ---

// All in one pipeline, in their order: those that stand together and need the script by one call of it.
std::shared_ptr<RedisLanes::Turn> RedisLanes::begin(Lane& lane, bool kept) {
    auto turn = std::make_shared<Turn>(Turn{lane, {}, 0, kept});
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
    return turn;
}

void RedisLanes::close(const std::shared_ptr<Turn>& turn) {
    if (--turn->open > 0) return;
    if (!turn->kept) {
        turn->lane.busy = false;
        return;
    }
    // The last one of those that were repeated.
    const bool all =
        std::all_of(round_.begin(), round_.end(), [](const auto& one) { return one->open == 0; });
    if (all && !confirming_) confirm();
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
    (turn->kept ? waiting_ : calls_)
        .run(publish_script(), std::move(keys), std::move(arguments),
             [this, turn, run](const RedisReply& reply) {
                 take_run(*turn, run, reply);
                 close(turn);
             });
}

void RedisLanes::take_run(Turn& turn, Run run, const RedisReply& reply) {
    const bool whole = reply.is_list(run.end - run.begin);
    for (size_t i = run.begin; i < run.end; ++i) {
        Receipt receipt = whole ? accept(turn.items[i], reply.items[i - run.begin].text)
                                : Receipt{Receipt::Status::unavailable, {}, words_of(reply)};
        if (turn.kept) {
            turn.receipts.push_back(std::move(receipt));
        } else {
            answer(turn.items[i], std::move(receipt));
        }
    }
}

Receipt RedisLanes::accept(const Waiting& waiting, std::string_view text) {
    const char kind = text.empty() ? 'E' : text.front();
    const auto position = read_position(text.substr(std::min<size_t>(1, text.size())));
    if ((kind != 'A' && kind != 'D') || !position) {
        return {
            Receipt::Status::unavailable, {}, "what stands in Redis for this channel is not this program's"};
    }
    (kind == 'A' ? shared_.counters.published : shared_.counters.duplicates).add();
    if (position->epoch != 0) shared_.table.noted(waiting.draft.channel, *position);
    const auto status = kind == 'A' ? Receipt::Status::accepted : Receipt::Status::duplicate;
    return {status, *position, {}};
}

}  // namespace wayleave
