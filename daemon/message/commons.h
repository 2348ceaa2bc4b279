// What the nodes of an installation have in common beside channels: who they are, which tokens are used up,
// who is where. Implemented in daemon/broker/redis; one daemon alone has none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/message/common_place.h"
#include "daemon/message/token_use.h"

namespace wayleave {

class Presence;
class ConnectionSlots;
struct SlotHolder;

// What a node says of itself.
struct NodeReport {
    std::string name;
    std::string version;
    std::string policy;  // its hash
    uint64_t generation = 0;
    uint64_t connections = 0;
    uint64_t subscriptions = 0;
    uint64_t max_connections = 0;
    int64_t started_ms = 0;  // wall time
    bool draining = false;
    bool ready = true;
};

struct NodeStatus {
    std::string id;  // 12 hexadecimal digits
    NodeReport report;
    int64_t said_ms_ago = 0;    // when it was heard of last
    int64_t lease_left_ms = 0;  // below 0: it is taken for dead soon
    bool self = false;
};

struct NodeList {
    std::vector<NodeStatus> nodes;   // by name and id; itself among them once it is registered
    int64_t age_ms = 0;              // of the list
    std::string because;             // not empty: why the list may be old
    uint64_t buried = 0;             // times that others took this node for dead
    int64_t skewed_ms = 0;           // since when the nodes' policies differ; 0: they do not
    uint64_t questions_dropped = 0;  // of other nodes, since too many came
};

// What another node says to a question.
struct NodeAnswer {
    NodeStatus node;
    std::string text;     // whatever that node has written
    std::string because;  // not empty: it has not answered, and why
};

// What other nodes ask: `answer` is called once, by any thread.
using NodeListener = std::function<void(std::string question, std::function<void(std::string)> answer)>;

// A ban, as all nodes have it: what it is about, and what it is, in words that the table of bans understands.
struct CommonBan {
    std::string key;
    std::string text;
    int64_t left_ms = 0;
};

struct BanListener {
    std::function<bool(const CommonBan&)> begun;  // false: the text is none
    std::function<void(const std::string& key)> lifted;
};

// All functions: any thread, without waiting.
class Commons {
  public:
    enum class Use : uint8_t {
        first,
        again,  // it was used before, at whichever node
        unavailable,
    };

    virtual ~Commons() = default;

    // Of this start of this daemon: 12 hexadecimal digits. No node's id, which may change.
    [[nodiscard]] virtual std::string process() const = 0;

    // Every second or so; others hear of it within some seconds.
    virtual void report(NodeReport report) = 0;
    [[nodiscard]] virtual NodeList nodes() const = 0;

    // Of all nodes exactly one asker is told `first`. `done` is called once, by any thread, and perhaps
    // before this returns.
    virtual void use_token(TokenUse use, int64_t wall_ms, std::function<void(Use)> done) = 0;

    // A place among those of all nodes; null: all are taken. Where nobody can tell it is given, and the asker
    // counts by himself. It must not outlive this. `done` is called once, by any thread, and perhaps before
    // this returns.
    virtual void enter_place(PlaceWish wish, std::function<void(std::shared_ptr<const HeldPlace>)> done) = 0;

    // Asks all other nodes that are known. `done` is called once, by any thread, after some seconds at most.
    virtual void ask_nodes(std::string question, std::function<void(std::vector<NodeAnswer>)> done) = 0;
    // Before the workers start. It is called by any thread, and must not wait.
    virtual void hear_nodes(NodeListener listener) = 0;

    // At all nodes, also those that come later. What others begin and lift is told to the listener, by any
    // thread.
    virtual void begin_ban(CommonBan ban) = 0;
    virtual void lift_ban(std::string key) = 0;
    virtual void hear_bans(BanListener listener) = 0;

    // Who has lost his place to a newer one is told here, by any thread. Before the workers start.
    virtual void on_evict(std::function<void(const SlotHolder&)> evict) = 0;
    // Of all nodes together; null: each node has its own.
    [[nodiscard]] virtual Presence* presence() { return nullptr; }
    [[nodiscard]] virtual ConnectionSlots* slots() { return nullptr; }
};

}  // namespace wayleave
