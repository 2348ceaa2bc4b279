// The gateway's inside, shared by its parts: gateway.cc (life-cycle, deadlines), gateway_http.cc (up to the
// upgrade), gateway_messages.cc (afterwards), gateway_delivery.cc (what subscribers get) and others.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/timer_wheel.h"
#include "daemon/decision/admission.h"
#include "daemon/decision/authorize.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/identify.h"
#include "daemon/decision/limits.h"
#include "daemon/decision/reevaluate.h"
#include "daemon/decision/rejection.h"
#include "daemon/message/client_message.h"
#include "daemon/protocol/deflate.h"
#include "daemon/session/event_log.h"
#include "daemon/session/gateway.h"
#include "daemon/session/hub.h"
#include "daemon/session/native.h"
#include "daemon/session/session.h"

namespace wayleave {

// An id as one number: in the timer wheel, and for others to name a connection by.
inline uint64_t pack(ConnectionId id) {
    return uint64_t{id.generation} << 32 | id.index;
}
inline ConnectionId unpack(uint64_t item) {
    return {static_cast<uint32_t>(item), static_cast<uint32_t>(item >> 32)};
}
// `{ "epoch": "…", "offset": 7 }`
[[nodiscard]] std::optional<Position> position_of(const MessageParser::Member& since);
[[nodiscard]] Query query_of(std::string_view channel, const dsl::ChannelRules& rules, Now now);
[[nodiscard]] ConnectionView view_of(const Session& session, Now now);
[[nodiscard]] Living living(const Session& session, Now now);

class Gateway::Impl {
  public:
    Impl(uint32_t worker, Broker& broker, LimitTable& limits, BanTable& bans, Counters& counters,
         std::shared_ptr<const Runtime> runtime);

    // --- gateway.cc ---
    ConnectionId opened(const Peer& peer, Now now);
    void secured(ConnectionId id, uint16_t version, std::shared_ptr<const std::string> certificate);
    void received(ConnectionId id, std::span<char> bytes, Now now);
    void closed(ConnectionId id, Now now);
    void finish_event(Now now);
    void evict(const SlotHolder& occupant, Now now);
    void tick(Now now);
    void drain(bool at_once, Now now);
    [[nodiscard]] Session* find(ConnectionId id);

    // --- gateway_output.cc ---
    void blocked(ConnectionId id, Now now);
    void sent(ConnectionId id, size_t bytes, Now now);
    void shed(Now now);
    [[nodiscard]] bool hold(ConnectionId id);
    void go_on(ConnectionId id, Now now);

    // --- gateway_delivery.cc ---
    [[nodiscard]] size_t delivered(std::span<const Publication> publications, Allowance& allowance, Now now);

    void release(Now now);
    [[nodiscard]] int64_t release_at_ms() const;

    // --- gateway_post.cc ---
    void handle_relayed(const RelayedMessage& relayed, Now now);
    void relay_reply(const RelayReply& answer, Now now);

    // --- gateway_questions.cc ---
    void answered(uint64_t ticket, BrokerAnswer answer, Now now);

    // --- gateway_identity.cc ---
    void answered(ConnectionId id, uint64_t question, Proof proof, Now now);

    // --- gateway_reload.cc ---
    void replace(std::shared_ptr<const Runtime> runtime);
    [[nodiscard]] bool walk(size_t& next, const std::function<void(const Seen&)>& see, Now now) const;
    [[nodiscard]] bool survey(const Runtime& candidate, ReloadImpact& survey, Now now);

    Actions actions;
    Broker& broker;
    LimitTable& limits;
    BanTable& bans;
    Counters& counters;
    size_t sockets = 0;
    size_t stalled = 0;
    bool draining = false;

  private:
    struct Slot {
        uint32_t generation = 0;
        std::unique_ptr<Session> session;
    };

    void wake(Session& session, Now now);
    void wake_open(Session& session, Now now);
    [[nodiscard]] int64_t next_wake(const Session& session, Now now) const;
    [[nodiscard]] int64_t complete_by(const Session& session) const;
    [[nodiscard]] static bool awaits_pong(const Session& session);
    void schedule(Session& session, int64_t when_ms, Now now);
    void reschedule(Session& session, Now now);
    void drain_some(Now now);
    [[nodiscard]] std::shared_ptr<const Binding> bind(const dsl::Route& route, const dsl::AtomBits& answers);
    void set_gauges();
    void give_back(Session& session);

    // --- gateway_reload.cc ---
    [[nodiscard]] bool rebind(Session& session, Now now);
    void rebind_some(Now now);
    [[nodiscard]] static uint32_t token_in(const dsl::Policy& policy, const Living& before);
    void apply(Session& session, const dsl::Route& route, Reevaluation reevaluation, Reason reason, Now now);
    void apply_channels(Session& session, const Reevaluation& reevaluation, Reason reason, Now now);
    void mark_pending_close(Session& session, Reevaluation reevaluation, Now now);
    void close_pending(Session& session, Now now);
    void spread_pending_closes(Now now);

    struct Bounds {
        size_t bytes;
        size_t frames;
    };
    // --- gateway_delivery.cc ---
    [[nodiscard]] const dsl::ChannelRules& rules_of(Channel& channel, Now now);
    [[nodiscard]] const dsl::ChannelRules& rules_of(std::string_view channel, Now now);
    Channel* enter_channel(Session& session, std::string_view name, bool joined, Now now);
    [[nodiscard]] bool leave_channel(Session& session, std::string_view name, Now now);
    void leave_channels(Session& session, Now now);
    void begin(Session& session, Channel& channel, const ReplyTo& re, std::optional<Position> since, Now now);
    [[nodiscard]] Hello::Joined begin_joined(Session& session, Channel& channel, Now now);
    void fall_behind(Session& session, Channel& channel, Now now);
    void catch_up(Now now);
    [[nodiscard]] Bounds page_of(const Session& session) const;
    void replay_some(Session& session, Now now);
    [[nodiscard]] bool ask_for_page(Session& session, Replay& replay, Now now);
    [[nodiscard]] bool take_page(Session& session, const Channel* channel, uint64_t ticket, const Page& page,
                                 Now now);
    void give_up_replay(Session& session, const Replay& replay, const std::string& because, Now now);
    void continue_replays(Now now);
    void take_publication(const Publication& publication, Now now);
    void deliver(Channel& to, const Publication& publication, Now now);
    void release_all(Now now);
    void owe(Session& session, Channel& channel);
    void answer_waiting(Session& session, Channel& channel, Now now);
    void note_number(Session& session, Channel& channel, Subscriber& subscriber) const;
    void gather(Channel& channel, const Publication& publication, const dsl::ChannelRules& rules, Now now);
    void note_epoch(Channel& channel, Position top, Now now);
    void note_delivered(Session& session, Now now);

    // --- gateway_questions.cc ---
    // What waits for the broker's answer.
    struct Publishing {  // one message of a client, to one channel or several
        ReplyTo re;
        size_t left = 0;
        Receipt receipt = {};  // of the last, or of the one that failed
        size_t channels = 0;
    };
    struct Question {
        enum class Kind : uint8_t { publish, replay, history, acknowledge, presence };
        ConnectionId id;
        Kind kind = Kind::publish;
        ReplyTo re = {};
        const Channel* channel = nullptr;                  // of a replay: compared, never followed
        std::shared_ptr<Publishing> publishing = nullptr;  // of a publication
    };
    [[nodiscard]] Ticket next_ticket(const Session& session);
    void expect(Ticket ticket, Question question, Now now);  // the answer comes later
    void publish_all(Session& session, const ReplyTo& re, std::vector<Draft> drafts, Now now);
    void published(Session& session, Publishing& publishing, Receipt receipt, Now now);
    void answer_history(Session& session, const ReplyTo& re, const Page& page, Now now);
    void answer_presence(Session& session, const ReplyTo& re, const Roster& roster, Now now);
    void answer_acknowledge(Session& session, const ReplyTo& re, const Receipt& receipt, Now now);
    void end_questions(Now now);
    void history(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                 dsl::Request& request, Now now);
    void presence(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                  dsl::Request& request, Now now);
    void acknowledge(Session& session, const MessageParser::Message& message, const ReplyTo& re, Now now);

    // --- gateway_output.cc ---
    [[nodiscard]] Bounds bounds_of(const Session& session) const;
    [[nodiscard]] static Bounds burst_of(const Bounds& bounds);
    void set_stalled(Session& session, bool is_stalled);
    static void excuse(Session& session, Now now);
    void send_droppable(Session& session, Frame frame, const dsl::ChannelRules& rules, Now now);
    void send(Session& session, Frame frame, Now now, dsl::Lane lane = dsl::Lane::normal);
    void send_message(Session& session, Opcode opcode, std::string_view payload, Now now,
                      dsl::Lane lane = dsl::Lane::normal);
    void send_publication(Session& session, const Publication& publication, const dsl::ChannelRules& rules,
                          Now now);
    // Where a subscription begins, an event's id says more than before.
    enum class Word : uint8_t { other, beginning };
    void send_text(Session& session, std::string_view text, Now now, dsl::Lane lane = dsl::Lane::normal,
                   Word word = Word::other);
    void reply(Session& session, const ReplyTo& to, std::string_view text, Now now,
               dsl::Lane lane = dsl::Lane::normal, Word word = Word::other);
    [[nodiscard]] dsl::Lane lane_for(Session& session, dsl::Lane lane);
    void left_out(Session& session, size_t messages);
    void too_slow(Session& session, Now now);

    // --- gateway.cc ---
    void send_last(Session& session, std::string bytes);
    void list_flush(Session& session);
    void abort(Session& session);
    // `$bye`, a close frame, and the wait for the peer's.
    void close(Session& session, uint16_t code, std::string_view reason, std::string_view because,
               int64_t reconnect_ms, Now now);
    // Ends the session in the form that the route wants for that reason, when the event is over. Whoever
    // calls this may be in the middle of the lists that the session is in.
    void end(Session& session, Rejection rejection, Now now);
    void end_marked(Now now);
    void close_for(Session& session, const Rejection& rejection, Now now);

    // --- gateway_events.cc ---
    void refused(const dsl::Policy* policy, const dsl::Route* route, Rejection& rejection);
    [[nodiscard]] static Event about(const Session& session, std::string_view name, std::string message);
    void tell_refused(const Session& session, const Rejection& rejection, Now now);
    void tell_turned_away(const Session& session, const HttpHead& head, const TurnedAway& turned, Now now);
    void tell_opened(const Session& session, const Admitted& admitted, Now now);
    void tell_closed(const Session& session, Now now);
    void note_ending(Session& session, const Rejection& rejection);
    static void note_ending(Session& session, std::string_view reason, std::string_view because);
    void tell_of_request(const Session& session, const HttpHead& head, const Rejection& rejection, Now now);
    void tell_of_request(const dsl::Address& client, std::string_view route, std::string_view path,
                         const Rejection& rejection, Now now);
    // Counts a request that is no handshake, tells of it, and answers with it.
    void refuse_request(Session& session, int status, Rejection rejection, std::string_view headers, Now now);

    // --- gateway_bans.cc ---
    // Who is refused, as far as it is known.
    struct Whom {
        bool identified = false;
        std::string_view user = {};
        bool nameless = false;
    };
    // Counts it for the route's bans. The ban that is in force then, if one is.
    std::optional<Rejection> count_refusal(const Session& session, Reason reason, Now now);
    std::optional<Rejection> count_refusal(const dsl::Policy& policy, const dsl::Route& route,
                                           const dsl::Request& request, const Whom& whom, Reason reason,
                                           Now now);

    // --- gateway_shadow.cc ---
    [[nodiscard]] bool shadowed(const Session& session) const;
    [[nodiscard]] const Shadow* shadow_of(Session& session);
    void shadow_connect(Session& session, const dsl::Route& route, const dsl::Facts& facts,
                        dsl::NodeId verdict, Now now);
    void shadow_decision(Session& session, std::string_view action, dsl::RootId dsl::Route::*root,
                         const dsl::Request& request, const Authorization& judged, Now now);
    void shadow_message(Session& session, const MessageParser::Message& message, const dsl::Request& request,
                        const MessageAuthorization& judged, Now now);
    void compare(const Session& session, std::string_view what, bool allowed, std::string_view rule,
                 const dsl::Route& shadow, dsl::NodeId verdict, Now now);

    // --- gateway_http.cc ---
    void read_head(Session& session, std::string_view bytes, Now now);
    [[nodiscard]] bool answer(Session& session, const HttpHead& head, Now now);
    [[nodiscard]] bool answer_request(Session& session, const HttpHead& head, const HandshakeRefusal& refusal,
                                      Now now);
    void send_file(Session& session, const HttpHead& head, const StaticFile& file);
    [[nodiscard]] bool answer_preflight(Session& session, const HttpHead& head, Now now);
    [[nodiscard]] Origination client_of(const Peer& peer, const HttpHead& head, Now now);
    void tell_of_unknown_client(const Peer& peer, const HttpHead& head, Now now);
    // As whom it comes in; nothing: it is answered, or waits.
    [[nodiscard]] std::optional<Admitted> admit_connection(Session& session, const Peer& client,
                                                           const HttpHead& head, const Upgrade& upgrade,
                                                           AdmissionKind kind, const std::string& headers,
                                                           Now now);
    void turn_away(Session& session, const HttpHead& head, TurnedAway turned, const std::string& headers,
                   Now now);
    void activate(Session& session, Admitted& admitted, Now now);
    [[nodiscard]] const dsl::Route* route_of(const HttpHead& head) const;
    void open(Session& session, Admitted admitted, const Upgrade& upgrade, Now now);
    [[nodiscard]] std::string agree_on_compression(Session& session, const dsl::Route& route,
                                                   const Upgrade& upgrade);
    void join(Session& session, const Admitted& admitted, Now now);
    void tell_of_no_channel(const Session& session, const dsl::Route& route, const dsl::Join& join, Now now);

    // --- gateway_stream.cc ---
    [[nodiscard]] bool wants_stream(const HttpHead& head) const;
    [[nodiscard]] bool answer_stream(Session& session, const HttpHead& head, Now now);
    void open_stream(Session& session, Admitted admitted, const HttpHead& head, const std::string& headers,
                     Now now);
    void resume_posted(Session& session, Now now);
    void send_event_id(Session& session, Now now);
    void subscribe_stream(Session& session, const std::string& channel, Now now);
    [[nodiscard]] std::string cors_headers(const dsl::Route& route, std::string_view origin,
                                           std::string_view host) const;
    [[nodiscard]] static std::optional<Position> resume_from(const Session& session, const Channel& channel,
                                                             bool by_cursor);
    // Where the stream stands when this was sent, beside all that was.
    [[nodiscard]] std::string stream_id(Session& session, const Message* sent) const;
    void send_event_text(Session& session, std::string_view text, Word word, Now now);
    void send_event(Session& session, const Publication& publication, const dsl::ChannelRules& rules,
                    Now now);
    [[nodiscard]] static Frame last_event(uint16_t code, std::string_view bye, int64_t reconnect_ms);

    // --- gateway_post.cc ---
    struct Running {  // a relayed message whose answer is not there yet
        RelayReply answer;
        uint64_t session = 0;
        std::string id;                                   // the client's own `$id`
        std::shared_ptr<const Identified> who = nullptr;  // null: without a token, or a reload came between
    };
    [[nodiscard]] bool wants_post(const HttpHead& head) const;
    void answer_post(Session& session, const HttpHead& head, Now now);
    void begin_post(Session& session, const HttpHead& head, uint64_t target, const std::string& headers,
                    Now now);
    void refuse_post(Session& session, int status, std::string because, const std::string& headers, Now now);
    [[nodiscard]] bool read_post(Session& session, Now now);
    void late_answer(Session& session, Now now);
    void answer_relayed(uint64_t relay, int status, std::string_view text);
    void end_errands(uint64_t session);
    void answer_errand(const RelayedMessage& relayed, int status, std::string_view error,
                       std::string_view because);

    // --- gateway_identity.cc ---
    void ask_about(Session& session, Credential question);
    void authenticate(Session& session, const MessageParser::Message& message, const ReplyTo& re, Now now);
    void authenticate_by_post(Session& session, const Identified& who, const ReplyTo& re, Now now);
    void continue_auth(Session& session, Now now);
    void adopt_identity(Session& session, const dsl::Route& route, Identified who, const ReplyTo& re,
                        Now now);
    void refuse_auth(Session& session, const ReplyTo& re, Rejection rejection, Now now);

    // --- gateway_messages.cc ---
    void read_frames(Session& session, std::span<char> bytes, Now now);
    [[nodiscard]] bool handle(Session& session, const WsEvent& event, Now now);
    void fail(Session& session, const WsError& error, Now now);
    void close_for_error(Session& session, const WsError& error, Now now);
    void control(Session& session, Now now);
    void message(Session& session, std::string_view payload, bool binary, uint64_t relay, Now now);
    void take_message(Session& session, std::string_view payload, bool binary, uint64_t relay, Now now);
    // What a client asked for whose message is being handled: for the log.
    struct Handled {
        std::string_view action;
        std::string_view target;
    };
    [[nodiscard]] static Handled handled_in(const MessageParser::Message& message);
    void native(Session& session, std::string_view payload, uint64_t relay, Now now);
    void system_message(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                        dsl::Request& request, Now now);
    void application_message(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                             dsl::Request& request, Now now);
    void subscribe(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                   dsl::Request& request, Now now);
    void unsubscribe(Session& session, const MessageParser::Message& message, const ReplyTo& re, Now now);
    void publish_by_name(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                         dsl::Request& request, Now now);
    [[nodiscard]] bool within_limits(Session& session, const dsl::Request& request, const ReplyTo& re,
                                     Now now);
    void reject(Session& session, const ReplyTo& re, Rejection rejection, Now now);
    void confirm(Session& session, const ReplyTo& re, Now now);

    uint32_t worker_;
    std::shared_ptr<const Runtime> runtime_;
    size_t gathered_bytes_ = 0;  // of all channels; it outlives them
    Hub hub_;
    TimerWheel wheel_;
    std::vector<Slot> slots_;
    std::vector<uint32_t> free_;
    std::mt19937_64 numbers_;
    MessageParser parser_;
    // Of all connections; null until the first that agrees on compression.
    std::unique_ptr<Inflater> inflater_;
    std::unique_ptr<Deflater> deflater_;
    std::string channel_;  // scratch
    std::string name_;     // of this worker in this run of the daemon: an id of a message is never another's
    uint64_t publications_ = 0;
    size_t to_stalled_ = 0;  // deliveries: see Allowance
    uint64_t questions_ = 0;
    uint64_t tickets_ = 0;
    struct Due {
        int64_t at_ms = 0;
        std::string channel;
        bool operator<(const Due& other) const { return at_ms > other.at_ms; }  // the next is on top
    };
    std::priority_queue<Due> due_;  // channels that gather; one may be gone, or have another time
    absl::flat_hash_map<uint64_t, ConnectionId> by_number_;  // of those for which a POST may come
    absl::flat_hash_map<uint64_t, Running> errands_;         // by a number of their own
    uint64_t errands_begun_ = 0;
    uint64_t posts_ = 0;
    std::vector<ConnectionId> waiting_replays_;             // that go on at the next tick
    std::vector<ConnectionId> behind_;                      // that catch up when the event is over
    absl::flat_hash_map<uint64_t, Question> asked_;         // of the broker, by ticket
    std::deque<std::pair<int64_t, uint64_t>> asked_until_;  // steady time and ticket, as they were asked
    // Bindings of the policy in force, by route and answers.
    StringMap<std::shared_ptr<const Binding>> bindings_;
    uint32_t next_rebind_ = UINT32_MAX;  // slots from here on may still hold the old policy
    EventLog events_{actions.events, counters.events_lost};
    Handled handled_;
    std::vector<ConnectionId> condemned_;  // by the reload that is under way, not yet spread
    struct PendingEnd {
        ConnectionId id;
        Rejection rejection;
    };
    std::vector<PendingEnd> ending_;  // when the event is over
    uint32_t next_drain_ = 0;
    size_t drain_step_ = 0;
};

}  // namespace wayleave
