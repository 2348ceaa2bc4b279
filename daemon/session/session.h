// One client's connection as the gateway keeps it. Most are idle, so it is small: what is needed only for a
// while is on the heap for that while. Private to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/connection.h"
#include "daemon/base/now.h"
#include "daemon/decision/connection_view.h"
#include "daemon/decision/rejection.h"
#include "daemon/message/reply_to.h"
#include "daemon/message/sse.h"
#include "daemon/protocol/http_body.h"
#include "daemon/protocol/traceparent.h"
#include "daemon/protocol/websocket.h"
#include "daemon/session/actions.h"
#include "daemon/session/send_queue.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"

namespace wayleave {

struct ApiRequest;
struct Channel;
struct HeldGrant;
struct Identified;

// A route of the policy that is in force, and what is left of its conditions for connections that answered
// alike. Shared by them; keeps the policy alive. Never kept beyond a reload: see Gateway::replace.
struct Binding {
    std::shared_ptr<const Runtime> runtime;
    const dsl::Route* route = nullptr;
    dsl::Residual residual;
    std::shared_ptr<const MessageCounters> counters;  // of the route, at this worker
};

// A place in a channel's list of subscribers.
struct Subscription {
    Channel* channel = nullptr;
    uint32_t position = 0;
    Entered entered = Entered::by_client;
};

// A subscription that catches up with its channel: page after page, as fast as the reader takes them.
struct Replay {
    Channel* channel = nullptr;
    ReplyTo re;                     // of the `$subscribe`
    std::optional<Position> since;  // what the client asked for
    uint64_t epoch = 0;
    uint64_t after = 0;      // given so far, once it is announced
    uint64_t ticket = 0;     // a page is on its way; 0: none
    bool announced = false;  // `$subscribed`, or `$hello`, has said where it begins
    bool by_cursor = false;  // of a channel with acknowledgements, for its user
};

// What a subscription counts as in a `limit subscriptions`.
struct Counted {
    const Channel* channel = nullptr;
    std::string key;
};

// A connection as the shadow policy knows it.
struct Shadow {
    std::shared_ptr<const dsl::Policy> policy;
    const dsl::Route* route = nullptr;  // null: the shadow has none of that name
    dsl::Facts facts;
    bool known = false;  // the facts are all that the shadow asks for
};

// A connection that the policy in force does not admit, and that waits for its turn to end.
struct PendingClose {
    Rejection rejection;
    bool returns = false;  // it is invited to come again
    int64_t at_ms = 0;     // steady time
};

// Why it ends, for the log: the first reason that there was. Null while nobody has ended it.
struct Ending {
    std::string reason;  // a word
    std::string because;
    std::string decision;
    std::string rule;
    uint16_t code = 0;   // of the close frame; 0: none
    std::string action;  // what it was doing
    std::string target;
    bool refused = false;
};

// A question about a credential is out, or was: the handshake waits for it, or an `$auth` does.
struct Awaiting {
    uint64_t question = 0;                   // its number; 0: it is answered
    Credential credential;                   // what it is about
    std::shared_ptr<const Runtime> runtime;  // that was asked; another one's answers would mean nothing
    std::vector<AnsweredProof> answers;
    ReplyTo re;                                       // of an `$auth`
    std::string token;                                // likewise
    std::shared_ptr<const Identified> who = nullptr;  // likewise, where a POST has shown it
    uint64_t claim = 0;                               // see TokenUse; 0: nothing was to be used up
};

// What the identity was proved with, where it is to be asked about again.
struct KeptCredential {
    KeptCredential() = default;
    KeptCredential(const KeptCredential&) = delete;
    KeptCredential& operator=(const KeptCredential&) = delete;
    ~KeptCredential();  // wipes it

    dsl::TokenSource from;
    std::string text;                      // secret
    int64_t due_ms = 0;                    // steady time
    uint64_t question = 0;                 // that is out; 0: none
    std::shared_ptr<const Runtime> asked;  // by which; else null
};

struct HeldMessage {
    std::string text;
    uint64_t relay = 0;  // see ReplyTo
};

// A `$subscribe` about which somebody else must be asked: about its grant, or about the channel. It is read
// anew when that is known.
struct WaitingSubscribe {
    Awaiting awaiting;                     // for what is known of its grant, too
    std::optional<RulingKey> ruling = {};  // a backend is asked about the channel
    std::string channel = {};
    HeldMessage message = {};
    std::vector<HeldMessage> behind = {};  // of the same channel: their turn comes after it
};

// The grant by which a session is in a channel.
struct KeptGrant {
    const Channel* channel = nullptr;
    std::shared_ptr<const HeldGrant> grant;
};

// A backend's yes, by which a session is in a channel.
struct Voucher {
    enum class Doubt : uint8_t { none, queued, asked };

    const Channel* channel = nullptr;
    RulingKey key{};
    int64_t until_ms = 0;  // steady time: for how long a reload believes it
    bool given = false;    // to the question of that key
    Doubt doubt = Doubt::none;
};

struct SessionGrants {
    std::vector<KeptGrant> kept;
    size_t bytes = 0;  // of all of them
    std::vector<Voucher> vouchers;
    std::vector<WaitingSubscribe> waiting;
    size_t waiting_bytes = 0;    // with what is behind them
    int64_t asked_since_ms = 0;  // steady time
    uint32_t asked = 0;          // questions within a minute

    // Wall time; INT64_MAX: never.
    [[nodiscard]] int64_t next_expiry_ms() const;
};

struct Handshaking {
    std::string bytes;                // of the head, as far as it arrived
    size_t scanned = 0;               // see parse_head
    size_t most_ahead = 128 * 1024;   // of the head, and of what a client sends before it has our answer
    bool head_only = false;           // the request is a HEAD, whose answer has no body
    bool may_pause = false;           // while somebody is asked about it, its body waits at the client
    bool said_all = false;            // its FIN has come: see Gateway::finished
    bool kept_open = false;           // a request was answered; the next one has a deadline of its own
    std::shared_ptr<ApiRequest> api;  // null but during such a request
    // 0 but while a request is passed on to a backend: how long both may say nothing.
    int64_t passing_silence_ms = 0;
};

// A request whose body is a message for the session of a stream.
struct Post {
    BodyReader body;
    RelayedMessage relayed;  // without its message, until the body is complete
    std::string headers;     // for the answer
    bool keep_alive = true;
    bool sent = false;         // it is under way, and its answer is waited for
    dsl::Address client = {};  // who sends it, behind proxies
    std::string path = {};
};

// What only a stream of Server-Sent Events needs.
struct EventStream {
    // What its `Last-Event-ID` says, while it is opened; null: it says nothing.
    std::unique_ptr<StreamPositions> resumed;
    std::vector<Channel*> numbered;   // of its subscriptions: their positions are the id of an event
    std::vector<std::string> posted;  // channels that a POST subscribed to: the address does not name them
};

struct Session {
    // `ending`: nothing more is sent to it, and it is closed when the event is over: see Outbox::end.
    enum class State : uint8_t { head, open, ending, closing };

    static constexpr int64_t never_ms = INT64_MAX;

    ConnectionId id;
    State state = State::head;
    bool flush_listed = false;
    bool abort_listed = false;
    bool stalled = false;     // the socket took not all, and something waits
    bool last_bytes = false;  // what is queued is the last of it
    bool publishes = false;   // it has, so that it is held when publications find no room
    bool held = false;        // it is not read from: see Gateway::hold
    bool stream = false;      // hears Server-Sent Events, and speaks no WebSocket
    bool noted = false;       // its end will be told of: see Notices::opened
    bool key_gone = false;    // the key of its token is not trusted any more, and that was counted
    bool tunnelled = false;   // see Tunnels: its bytes are the backend's
    bool input_full = false;  // a backend takes what it says too slowly: it is not read from
    bool unwrapped = false;   // an old client that speaks one stream alone: it hears no word of the daemon
    bool nameless = false;    // the user's name is a secret claim; as it was when the connection was made
    // What a delivery needs stands together.
    uint64_t number = 0;  // random, unique among all workers: the session in `$hello`, the key `connection`
    std::shared_ptr<const Binding> binding;  // null until the handshake is complete
    uint32_t lanes_of = 0;                   // generation of the policy whose lanes the queue knows
    uint32_t messages_out = 0;               // frames queued, or events of a stream
    uint64_t bytes_out = 0;
    SendQueue queue;

    Peer peer;
    std::unique_ptr<Handshaking> handshaking = std::make_unique<Handshaking>();
    std::unique_ptr<Awaiting> awaiting;        // null but while somebody is asked
    std::unique_ptr<KeptCredential> kept;      // null but where `recheck` is said of its token
    std::unique_ptr<const Trace> trace;        // that its client has begun; null: none
    std::unique_ptr<Post> post;                // null but during such a request
    std::unique_ptr<EventStream> events;       // of a stream; else null
    std::unique_ptr<const std::string> alias;  // the old address that it came by; null: by none
    WebSocketDecoder decoder;
    dsl::Facts facts;
    uint8_t deflate_bits = 0;                     // the window that the client can have; 0: no compression
    uint32_t token = 0;                           // number in the policy's tokens plus one; 0: none
    uint64_t key = 0;                             // see Proof
    std::string user;                             // may be empty
    std::vector<Subscription> subscriptions;      // by address of the channel: a client may have very many
    std::unique_ptr<Shadow> shadow;               // null but for the share that is compared
    std::unique_ptr<PendingClose> pending_close;  // null but for a while after a reload
    std::unique_ptr<Ending> ending;               // null until it is known
    std::vector<std::string> entered;             // keys of `limit connections`
    // Of those keys, among all nodes; mostly null.
    std::unique_ptr<std::vector<std::shared_ptr<const HeldPlace>>> places;
    std::vector<std::string> connection_slots;  // keys of those among them where the oldest makes room
    std::vector<Counted> counted;               // by `limit subscriptions` and `max_subscribers`
    std::vector<Replay> replays;                // most have none
    std::unique_ptr<SessionGrants> grants;      // null until one was brought
    // Channels with acknowledgements of which messages are queued; null: none.
    std::unique_ptr<std::vector<Channel*>> owed;
    uint32_t unanswered = 0;  // publications that the broker has not accepted yet
    uint32_t left_out = 0;    // messages that were dropped, and it was not told
    uint32_t acks_due = 0;    // messages that it was sent to acknowledge, and has not been heard about
    uint32_t messages_in = 0;
    uint32_t told = 0;      // of what backends were told about it
    uint64_t bytes_in = 0;  // since it is open

    // Steady time.
    int64_t opened_ms = 0;  // accepted, later upgraded
    int64_t last_heard_ms = 0;
    int64_t last_ping_ms = 0;
    int64_t message_since_ms = 0;  // an incomplete message began; 0: none
    int64_t close_by_ms = never_ms;
    int64_t wake_ms = never_ms;  // the wheel's entry that counts
    int64_t controls_ms = 0;     // pings and the like are paid for until then
    int64_t expires_ms = 0;      // wall time; 0: never
    int64_t auths_since_ms = 0;
    uint32_t auths = 0;  // `$auth` within a minute

    // What a delivery needs of it.
    void prefetch() const {
        constexpr size_t line = 64;
        const auto* end = reinterpret_cast<const char*>(&peer);
        for (const auto* at = reinterpret_cast<const char*>(this); at < end; at += line)
            __builtin_prefetch(at, 1);
    }

    // What others may know of the user.
    [[nodiscard]] std::string_view shown_user() const { return nameless ? std::string_view() : user; }
};

// By which the session is in the channel, or null.
[[nodiscard]] const HeldGrant* held_grant(const Session& session, const Channel* channel);
[[nodiscard]] Voucher* voucher_of(const Session& session, const Channel* channel);

[[nodiscard]] ConnectionView view_of(const Session& session, Now now);

// Of the session in the channel, or null.
[[nodiscard]] Replay* replay_of(Session& session, const Channel* channel);
void forget_replay(Session& session, const Channel* channel);

}  // namespace wayleave
