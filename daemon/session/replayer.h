// Where a subscription begins, and what it missed: read from the broker page by page, as fast as the reader
// takes it. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/session/broker_requests.h"
#include "daemon/session/delivery_notes.h"
#include "daemon/session/native.h"
#include "daemon/session/replies.h"
#include "daemon/session/session_table.h"
#include "daemon/session/subscriptions.h"
#include "daemon/session/tracer.h"

namespace wayleave {

// What `$subscribed` says of a channel that the session is in, but where it stands.
[[nodiscard]] Subscribed subscribed_to(const Session& session, const Channel& channel,
                                       const dsl::ChannelRules& rules);

class Replayer {
  public:
    Replayer(const SessionTable& sessions, Hub& hub, Broker& broker, Subscriptions& subscriptions,
             BrokerRequests& requests, DeliveryNotes& notes, Outbox& outbox, Replies& replies, Tracer& tracer,
             Counters& counters);

    // `$subscribe`, also of a channel that was subscribed before: then it begins anew.
    void begin(Session& session, Channel& channel, const ReplyTo& re, std::optional<Position> since, Now now);
    // At connect: what `$hello` says of it, if that is known at once.
    [[nodiscard]] Hello::Joined begin_joined(Session& session, Channel& channel, Now now);
    // A `$subscribe` whose page has not come, before its channel is left or begun anew: its sender is told
    // that he was in it.
    void answer_waiting(Session& session, Channel& channel, Now now);

    // A message came that does not follow the last one. What is missing is read by catch_up(), when the event
    // is over, since a replay that fails leaves the channel.
    void fall_behind(Session& session, Channel& channel, Now now);
    void catch_up(Now now);
    // As much as the queue should hold now.
    void replay_some(Session& session, Now now);
    // A page that was asked for by this ticket.
    void take_page(Session& session, const Channel* channel, uint64_t ticket, const Page& page, Now now);
    void tick(Now now);

    // What is heard of a channel's numbering. It may be the first time, or another numbering than before.
    void note_epoch(Channel& channel, Position top, Now now);
    // An event's id says where a stream stands in each of these.
    static void note_number(Session& session, Channel& channel, Subscriber& subscriber);

  private:
    [[nodiscard]] QueueBounds page_of(const Session& session) const;
    [[nodiscard]] bool has_room(const Session& session) const;
    [[nodiscard]] static Query query_of(const Session& session, const Replay& replay,
                                        const dsl::ChannelRules& rules, Now now);
    [[nodiscard]] bool ask_for_page(Session& session, Replay& replay, Now now);
    [[nodiscard]] bool apply_page(Session& session, const Channel* channel, uint64_t ticket, const Page& page,
                                  Now now);
    void announce(Session& session, Replay& replay, const Page& page, const dsl::ChannelRules& rules,
                  Now now);
    void give_up(Session& session, const Replay& replay, const std::string& because, Now now);

    const SessionTable& sessions_;
    Hub& hub_;
    Broker& broker_;
    Subscriptions& subscriptions_;
    BrokerRequests& requests_;
    DeliveryNotes& notes_;
    Outbox& outbox_;
    Replies& replies_;
    Tracer& tracer_;
    Counters& counters_;
    std::vector<ConnectionId> waiting_;  // that go on at the next tick
    std::vector<ConnectionId> behind_;   // that catch up when the event is over
};

}  // namespace wayleave
