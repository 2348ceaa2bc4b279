#include "daemon/broker/redis/inquiries.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/base/utf8.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr size_t most_pending = 16;
constexpr uint64_t number_bits = (uint64_t{1} << 48U) - 1;

// NODE:NUMBER:TEXT
struct Words {
    std::string_view node;
    uint64_t number = 0;
    std::string_view text;
};

std::optional<Words> read_words(std::string_view text) {
    const size_t first = text.find(':');
    const size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const auto number = read_number(text.substr(first + 1, second - first - 1));
    const Words out{text.substr(0, first), number ? *number : 0, text.substr(second + 1)};
    if (!number || !is_node_text(out.node)) return std::nullopt;
    return out;
}

std::string words(char word, const std::string& node, uint64_t number, const std::string& text) {
    return std::string(1, word) + node + ":" + std::to_string(number) + ":" + text;
}

}  // namespace

void RedisInquiries::ask(Ask& ask) {
    Pending pending{{}, 0, calls_.now_ms() + patience_ms, std::move(ask.done)};
    for (NodeStatus& node : ask.nodes) {
        if (node.self) continue;
        pending.answers.push_back({std::move(node), {}, "it has not answered in time"});
    }
    pending.left = pending.answers.size();
    const bool too_much = pending_.size() >= most_pending || ask.question.size() > most_question;
    if (too_much) {
        for (NodeAnswer& one : pending.answers) one.because = "too much is asked";
    }
    if (too_much || pending.left == 0) return pending.done(std::move(pending.answers));
    const uint64_t number = shared_.random() & number_bits;
    pending_.insert_or_assign(number, std::move(pending));
    const std::string channel = shared_.keys.control();
    const std::string text = words(question_word, node_text(shared_.node), number, ask.question);
    calls_.ask({"SPUBLISH", channel, text}, [](const RedisReply&) {});
}

void RedisInquiries::finish(uint64_t number) {
    auto node = pending_.extract(number);
    node.mapped().done(std::move(node.mapped().answers));
}

// Whatever comes is of another node. What is asked is looked at by who listens.
void RedisInquiries::heard_question(std::string_view text) {
    const auto asked = read_words(text);
    if (!asked || asked->text.size() > most_question || !is_utf8(asked->text))
        return shared_.counters.malformed.add();
    if (asked->node == node_text(shared_.node) || !listener_) return;
    if (calls_.now_ms() - second_ms_ >= 1000) {
        second_ms_ = calls_.now_ms();
        asked_ = 0;
    }
    if (++asked_ > most_asked_a_second) return shared_.counters.questions_dropped.add();
    listener_(std::string(asked->text),
              [send = send_, to = std::string(asked->node), number = asked->number](std::string answer) {
                  send({to, number, std::move(answer)});
              });
}

void RedisInquiries::answer(const Answer& answer) {
    if (answer.text.size() > most_answer) return;
    const std::string channel = shared_.keys.control(answer.to);
    const std::string text = words(answer_word, nodes_.id(), answer.number, answer.text);
    calls_.ask({"SPUBLISH", channel, text}, [](const RedisReply&) {});
}

void RedisInquiries::heard_answer(std::string_view text) {
    const auto said = read_words(text);
    if (!said || said->text.empty() || said->text.size() > most_answer || !is_utf8(said->text))
        return shared_.counters.malformed.add();
    const auto found = pending_.find(said->number);
    if (found == pending_.end()) return;  // late
    auto& answers = found->second.answers;
    const auto from = std::find_if(answers.begin(), answers.end(), [&](const NodeAnswer& one) {
        return one.node.id == said->node && one.text.empty();
    });
    if (from == answers.end()) return;
    from->text = said->text;
    from->because.clear();
    if (--found->second.left == 0) finish(said->number);
}

void RedisInquiries::turn() {
    for (auto it = pending_.begin(); it != pending_.end();) {
        const auto next = std::next(it);
        if (calls_.now_ms() >= it->second.by_ms) finish(it->first);
        it = next;
    }
}

void RedisInquiries::give_up(const std::string& because) {
    for (auto& [number, pending] : std::exchange(pending_, {})) {
        for (NodeAnswer& one : pending.answers) {
            if (one.text.empty()) one.because = because;
        }
        pending.done(std::move(pending.answers));
    }
}

}  // namespace wayleave
