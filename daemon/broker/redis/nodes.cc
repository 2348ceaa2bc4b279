#include "daemon/broker/redis/nodes.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr size_t parts_of_node = 3;  // in the answer: see beat.lua
constexpr size_t most_nodes = 1000;
constexpr int64_t least_beat_ms = 100;  // soon after another's lease is over

// Some are written with an exponent.
Result<int64_t> read_time(const std::string& text) {
    const auto number = read_number(text);
    if (!number) return failure(number.error());
    return static_cast<int64_t>(*number);
}

}  // namespace

void RedisNodeBoard::report(NodeReport report) {
    const std::lock_guard lock(mutex_);
    const bool news = report.policy != report_.policy || report.draining != report_.draining ||
                      report.ready != report_.ready || report.name != report_.name;
    report_ = std::move(report);
    if (news) news_.store(true, std::memory_order_release);
}

NodeList RedisNodeBoard::list(int64_t now_ms) const {
    const std::lock_guard lock(mutex_);
    NodeList out = list_;
    out.age_ms = heard_ms_ == 0 ? 0 : std::max<int64_t>(0, now_ms - heard_ms_);
    for (NodeStatus& node : out.nodes) {
        node.said_ms_ago += out.age_ms;
        node.lease_left_ms -= out.age_ms;
    }
    out.skewed_ms = skewed_ ? std::max<int64_t>(1, now_ms - skewed_since_ms_) : 0;
    return out;
}

RedisNodes::RedisNodes(RedisShared& shared, RedisCalls& calls, const RedisTimes& times, RedisNodeBoard& board,
                       Listener listener)
    : shared_(shared),
      calls_(calls),
      times_(times),
      board_(board),
      listener_(std::move(listener)),
      id_(node_text(shared.node)) {}

void RedisNodes::forked() {
    registered_ = false;
    under_way_ = false;
    ++asked_;  // what was on its way would say that it was buried
    next_ms_ = 0;
}

void RedisNodes::turn() {
    if (under_way_ || left_ || (calls_.now_ms() < next_ms_ && !board_.take_news())) return;
    beat(times_.lease_ms);
}

void RedisNodes::leave() {
    if (!registered_ || !shared_.gate.enter(0)) return;
    left_ = true;
    beat(0);
}

void RedisNodes::beat(int64_t lease_ms) {
    const int64_t now_ms = calls_.now_ms();
    next_ms_ = now_ms + times_.beat_ms;
    under_way_ = true;
    if (answered_ms_ == INT64_MIN || now_ms - answered_ms_ >= times_.lease_ms) whole_since_ms_ = now_ms;
    const bool judges = now_ms - whole_since_ms_ >= times_.judge_after_ms;
    std::string said;
    {
        const std::lock_guard lock(board_.mutex_);
        said = write_node_report(board_.report_);
    }
    const RedisKeys& keys = shared_.keys;
    calls_.run(beat_script(), {keys.nodes(), keys.node_reports(), keys.sweeps(), keys.buried()},
               {id_, std::to_string(lease_ms), said, registered_ ? "1" : "0", judges ? "1" : "0"},
               [this, number = ++asked_, last = left_](const RedisReply& reply) {
                   if (last) return shared_.gate.leave(0);
                   if (number == asked_) heard(reply);
               });
}

void RedisNodes::heard(const RedisReply& reply) {
    under_way_ = false;
    if (reply.failed()) {
        const std::lock_guard lock(board_.mutex_);
        board_.list_.because = words_of(reply);
        return;
    }
    if (reply.kind == RedisReply::Kind::list && !reply.items.empty() && reply.items[0].text == "buried")
        return buried();
    if (!take(reply)) shared_.counters.malformed.add();
}

// Others have taken what was in Redis under the id, or do so now: under another one it is written again.
void RedisNodes::buried() {
    ++buried_;
    uint64_t fresh = 0;
    while (fresh == 0) fresh = shared_.random() & ((uint64_t{1} << 48U) - 1);
    id_ = node_text(fresh);
    registered_ = false;
    renamed_ = true;
    answered_ms_ = INT64_MIN;
    next_ms_ = 0;
}

bool RedisNodes::take(const RedisReply& reply) {
    if (!reply.is_list(5) || reply.items[0].text != "here") return false;
    const auto time_ms = read_time(reply.items[1].text);
    const auto& parts = reply.items[3].items;
    if (!time_ms || parts.size() % parts_of_node != 0 || parts.size() > parts_of_node * most_nodes)
        return false;
    answered_ms_ = calls_.now_ms();
    NodeList list;
    for (size_t i = 0; i < parts.size(); i += parts_of_node) {
        NodeStatus node;
        node.id = parts[i].text;
        const auto until_ms = read_time(parts[i + 1].text);
        auto report = read_node_report(parts[i + 2].text);
        if (!is_node_text(node.id) || !until_ms || !report) {
            shared_.counters.malformed.add();
            continue;
        }
        node.report = std::move(*report);
        node.lease_left_ms = *until_ms - *time_ms;
        node.said_ms_ago = std::max<int64_t>(0, times_.lease_ms - node.lease_left_ms);
        node.self = node.id == id_;
        // Soon after it is over it is seen.
        if (!node.self && node.lease_left_ms < times_.beat_ms)
            next_ms_ = std::min(next_ms_, calls_.now_ms() + std::max(least_beat_ms, node.lease_left_ms + 10));
        list.nodes.push_back(std::move(node));
    }
    std::sort(list.nodes.begin(), list.nodes.end(), [](const NodeStatus& a, const NodeStatus& b) {
        return std::tie(a.report.name, a.id) < std::tie(b.report.name, b.id);
    });
    dead_.clear();
    for (const RedisReply& one : reply.items[4].items) {
        if (is_node_text(one.text) && dead_.size() < most_nodes) dead_.push_back(one.text);
    }
    note_skew(list);
    registered_ = true;
    if (std::exchange(renamed_, false)) listener_.renamed();
    const std::string& sweep = reply.items[2].text;
    if (is_node_text(sweep) && sweep != id_) listener_.sweep(sweep);
    return true;
}

void RedisNodes::note_skew(NodeList& list) {
    std::set<std::string> policies;
    for (const NodeStatus& node : list.nodes) policies.insert(node.report.policy);
    policies.erase("");  // it has not said it yet
    list.buried = buried_;
    const std::lock_guard lock(board_.mutex_);
    const bool skewed = policies.size() > 1;
    if (skewed && !board_.skewed_) board_.skewed_since_ms_ = calls_.now_ms();
    board_.skewed_ = skewed;
    board_.heard_ms_ = calls_.now_ms();
    board_.list_ = std::move(list);
}

void RedisNodes::swept(const std::string& dead) {
    calls_.ask({"ZREM", shared_.keys.sweeps(), dead}, [](const RedisReply&) {});
}

}  // namespace wayleave
