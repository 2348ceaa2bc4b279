// What backends say to the questions of rules with `by`: each asked once at a time, whoever waits for it, and
// believed as long as the backend says. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "daemon/decision/ruling_question.h"
#include "daemon/message/backend_reply.h"
#include "daemon/session/bindings.h"
#include "daemon/session/connection_log.h"

namespace wayleave {

// The answer to a question.
struct Ruled {
    RulingKey key{};
    BackendRuling ruling;
    int64_t until_ms = 0;  // steady time
    std::vector<ConnectionId> waiting = {};
};

class Rulings {
  public:
    // `name` is of this worker in this run of the daemon: an id of a question is never another's.
    Rulings(std::string name, std::vector<BackendCall>& out, const Bindings& bindings, ConnectionLog& log,
            Counters& counters, std::mt19937_64& random)
        : name_(std::move(name)),
          out_(out),
          bindings_(bindings),
          log_(log),
          counters_(counters),
          random_(random) {}

    // Whether a call of that number is a question, or a message of the Forwarder's.
    [[nodiscard]] static bool is_question(uint64_t call) { return (call & question_bit) != 0; }

    // Until when the backend's yes is believed; nothing: it has to be asked.
    [[nodiscard]] std::optional<int64_t> believed(const RulingKey& key, Now now);
    // The answer comes by answered(), for this session, too. Or why nobody is asked.
    [[nodiscard]] std::optional<Rejection> ask(const Session& session, const RulingQuestion& question,
                                               Now now);
    [[nodiscard]] std::optional<Ruled> answered(uint64_t call, const BackendAnswer& answer, Now now);

    [[nodiscard]] size_t running() const { return running_.size(); }
    void forget();  // memory is short

  private:
    static constexpr uint64_t question_bit = uint64_t{1} << 63U;

    struct Running {
        RulingKey key{};
        std::string backend;
        std::string rule;
        std::vector<ConnectionId> waiting;
    };

    void write(const Session& session, const RulingQuestion& question, BackendRequest& request, Now now);
    void believe(const RulingKey& key, int64_t until_ms);
    void tell_failed(const Running& question, const std::string& why, Now now);

    std::string name_;
    std::vector<BackendCall>& out_;
    const Bindings& bindings_;
    ConnectionLog& log_;
    Counters& counters_;
    std::mt19937_64& random_;
    absl::flat_hash_map<uint64_t, Running> running_;    // by the number of the call
    absl::flat_hash_map<RulingKey, uint64_t> numbers_;  // of those that run
    absl::flat_hash_map<RulingKey, int64_t> believed_;  // until when, in steady time
    std::deque<RulingKey> oldest_;                      // of them
    uint64_t calls_ = 0;
};

}  // namespace wayleave
