// What an operator asks of all nodes at once, and what they answer: a question goes to all, and each answer
// to the node that has asked. The list of nodes says who has to answer. On the broker's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/nodes.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/message/commons.h"

namespace wayleave {

class RedisInquiries {
  public:
    // An answer to another node, which `to` names as a process.
    struct Answer {
        std::string to;
        uint64_t number = 0;
        std::string text;
    };
    using Send = std::function<void(Answer)>;  // any thread; to answer()

    RedisInquiries(RedisShared& shared, RedisCalls& calls, const RedisNodes& nodes, Send send)
        : shared_(shared), calls_(calls), nodes_(nodes), send_(std::move(send)) {}

    struct Ask {
        std::string question;
        std::vector<NodeStatus> nodes;
        std::function<void(std::vector<NodeAnswer>)> done;
    };
    struct Listen {
        NodeListener listener;
    };
    void ask(Ask& ask);
    void answer(const Answer& answer);
    void listen(Listen& listen) { listener_ = std::move(listen.listener); }

    void heard_question(std::string_view text);
    void heard_answer(std::string_view text);

    // Whose time is over hears who has not answered.
    void turn();
    void give_up(const std::string& because);

    static constexpr char question_word = 'Q';  // with which such a message begins
    static constexpr char answer_word = 'A';
    static constexpr int64_t patience_ms = 3000;
    static constexpr size_t most_question = 16'384;
    static constexpr size_t most_answer = 524'288;
    static constexpr size_t most_asked_a_second = 20;  // by all others

  private:
    struct Pending {
        std::vector<NodeAnswer> answers;  // those without a text are missing
        size_t left = 0;
        int64_t by_ms = 0;
        std::function<void(std::vector<NodeAnswer>)> done;
    };

    void finish(uint64_t number);

    RedisShared& shared_;
    RedisCalls& calls_;
    const RedisNodes& nodes_;
    const Send send_;
    NodeListener listener_;
    std::map<uint64_t, Pending> pending_;
    int64_t second_ms_ = 0;  // in which this one counts what was asked
    size_t asked_ = 0;
};

}  // namespace wayleave
