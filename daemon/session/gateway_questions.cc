// What is asked of the broker, and what is told to clients when it answers: at once, later, or not in time.
#include <algorithm>

#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

constexpr size_t most_unanswered = 1000;  // publications of one session
constexpr uint32_t history_limit = 100;
constexpr uint32_t most_history = 1000;
constexpr size_t history_bytes = 256 << 10;
constexpr uint32_t roster_limit = 1000;

Rejection unavailable(std::string because) {
    return Rejection::of(Reason::unavailable, std::move(because));
}

}  // namespace

Query query_of(std::string_view channel, const dsl::ChannelRules& rules, Now now) {
    Query query;
    query.channel = channel;
    query.retention = retention_of(rules);
    query.now = now;
    return query;
}

// --- tickets ---

Ticket Gateway::Impl::next_ticket(const Session& session) {
    return {worker_, ++tickets_, session.number};
}

// Nothing can be answered before this: the answer comes to this thread's inbox.
void Gateway::Impl::expect(Ticket ticket, Question question, Now now) {
    asked_.emplace(ticket.number, std::move(question));
    asked_until_.emplace_back(now.steady_ms + runtime_->settings.broker_timeout_ms, ticket.number);
}

void Gateway::Impl::answered(uint64_t ticket, BrokerAnswer answer, Now now) {
    const auto it = asked_.find(ticket);
    if (it == asked_.end()) return;  // too late
    const Question question = std::move(it->second);
    asked_.erase(it);
    Session* session = find(question.id);
    if (!session || session->state != Session::State::open) return;
    switch (question.kind) {
        case Question::Kind::publish:
            --session->unanswered;
            return published(*session, *question.publishing, std::get<Receipt>(std::move(answer)), now);
        case Question::Kind::replay:
            (void)take_page(*session, question.channel, ticket, std::get<Page>(answer), now);
            return replay_some(*session, now);
        case Question::Kind::history:
            return answer_history(*session, question.re, std::get<Page>(answer), now);
        case Question::Kind::acknowledge:
            return answer_acknowledge(*session, question.re, std::get<Receipt>(answer), now);
        case Question::Kind::presence:
            return answer_presence(*session, question.re, std::get<Roster>(answer), now);
    }
}

// A broker that is stuck: who asked is told so.
void Gateway::Impl::end_questions(Now now) {
    while (!asked_until_.empty() && asked_until_.front().first <= now.steady_ms) {
        const uint64_t ticket = asked_until_.front().second;
        asked_until_.pop_front();
        const auto it = asked_.find(ticket);
        if (it == asked_.end()) continue;
        counters.unanswered.add();
        const std::string because = "the server's storage does not answer";
        switch (it->second.kind) {
            case Question::Kind::publish:
            case Question::Kind::acknowledge:
                answered(ticket, Receipt{Receipt::Status::unavailable, {}, because}, now);
                break;
            case Question::Kind::replay:
            case Question::Kind::history:
                answered(ticket, Page{{}, 0, false, false, {}, because}, now);
                break;
            case Question::Kind::presence: answered(ticket, Roster{{}, 0, 0, because}, now); break;
        }
    }
}

// --- publications ---

void Gateway::Impl::publish_all(Session& session, const ReplyTo& re, std::vector<Draft> drafts, Now now) {
    const auto publishing = std::make_shared<Publishing>();
    publishing->re = re;
    publishing->left = publishing->channels = drafts.size();
    if (drafts.empty()) return confirm(session, re, now);
    // The storage's queue is everybody's.
    if (session.unanswered + drafts.size() > most_unanswered) {
        return reject(
            session, re,
            Rejection::of(Reason::limited, "too many of your messages wait for the server's storage"), now);
    }
    session.publishes = true;
    for (Draft& draft : drafts) {
        draft.id = name_ + "-" + std::to_string(++publications_);
        // An id is its user's own, so that nobody can use up another's.
        if (!draft.dedup.empty()) draft.dedup.insert(0, session.user + '\0');
        draft.now = now;
        const Ticket ticket = next_ticket(session);
        auto receipt = broker.publish(std::move(draft), ticket);
        if (receipt) {
            published(session, *publishing, std::move(*receipt), now);
        } else {
            ++session.unanswered;
            expect(ticket, {session.id, Question::Kind::publish, {}, nullptr, publishing}, now);
        }
    }
}

void Gateway::Impl::published(Session& session, Publishing& publishing, Receipt receipt, Now now) {
    const bool good =
        receipt.status == Receipt::Status::accepted || receipt.status == Receipt::Status::duplicate;
    if (receipt.status == Receipt::Status::accepted) counters.publications.add();
    if (publishing.receipt.because.empty()) publishing.receipt = std::move(receipt);
    if (!good && publishing.receipt.because.empty()) publishing.receipt.because = "it could not be kept";
    if (--publishing.left > 0) return;
    const Receipt& last = publishing.receipt;
    if (!last.because.empty()) return reject(session, publishing.re, unavailable(last.because), now);
    if (!publishing.re.wanted()) return;
    // Where a message went to several channels, no one position is its own.
    const Position position = publishing.channels == 1 ? last.position : Position{};
    reply(session, publishing.re,
          ok_text(publishing.re.id, position, last.status == Receipt::Status::duplicate), now);
}

// --- $history ---

void Gateway::Impl::history(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                            dsl::Request& request, Now now) {
    const auto channel = dsl::split_channel(text_member(message, "channel"));
    if (!channel) return reject(session, re, bad_message(no_channel(message)), now);
    int64_t limit = history_limit;
    bool reverse = false;
    const MessageParser::Member* given = message.find("limit");
    if (given && (given->value.get(limit) != simdjson::SUCCESS || limit < 1 || limit > most_history))
        return reject(session, re, bad_message("`limit` is a number from 1 to 1000"), now);
    given = message.find("reverse");
    if (given && given->value.get(reverse) != simdjson::SUCCESS)
        return reject(session, re, bad_message("`reverse` is true or false"), now);
    const MessageParser::Member* since = message.find("since");
    const auto position = since ? position_of(*since) : std::nullopt;
    if (since && !position) return reject(session, re, bad_message("`since` is { epoch, offset }"), now);
    request.channel = &*channel;
    const dsl::ChannelRules& rules = rules_of(channel->text, now);
    Authorization judged = authorize_history(view_of(session, now), request, rules);
    shadow_decision(session, "history", &dsl::Route::history, request, judged, now);
    if (judged.rejection) return reject(session, re, std::move(*judged.rejection), now);
    Query query = query_of(channel->text, rules, now);
    query.since = position;
    query.oldest = query.rest = true;
    query.reverse = reverse;
    query.limit = static_cast<uint32_t>(limit);
    query.bytes = std::min(history_bytes, bounds_of(session).bytes / 2);
    const Ticket ticket = next_ticket(session);
    const auto page = broker.read(std::move(query), ticket);
    if (page) return answer_history(session, re, *page, now);
    expect(ticket, {session.id, Question::Kind::history, re}, now);
}

void Gateway::Impl::answer_history(Session& session, const ReplyTo& re, const Page& page, Now now) {
    if (!page.because.empty()) return reject(session, re, unavailable(page.because), now);
    reply(session, re, ok_text(re.id, history_data(page)), now);
}

// --- $presence ---

void Gateway::Impl::presence(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                             dsl::Request& request, Now now) {
    const auto channel = dsl::split_channel(text_member(message, "channel"));
    if (!channel) return reject(session, re, bad_message(no_channel(message)), now);
    request.channel = &*channel;
    Authorization judged = authorize_presence(view_of(session, now), request, rules_of(channel->text, now));
    shadow_decision(session, "presence", &dsl::Route::presence, request, judged, now);
    if (judged.rejection) return reject(session, re, std::move(*judged.rejection), now);
    const Ticket ticket = next_ticket(session);
    const auto roster = broker.present(channel->text, roster_limit, ticket);
    if (roster) return answer_presence(session, re, *roster, now);
    expect(ticket, {session.id, Question::Kind::presence, re}, now);
}

void Gateway::Impl::answer_presence(Session& session, const ReplyTo& re, const Roster& roster, Now now) {
    if (!roster.because.empty()) return reject(session, re, unavailable(roster.because), now);
    reply(session, re, ok_text(re.id, presence_data(roster)), now);
}

// --- $ack ---

void Gateway::Impl::acknowledge(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                                Now now) {
    const std::string_view name = text_member(message, "channel");
    Channel* channel = hub_.find(name);
    if (!channel || !hub_.subscriber(session, *channel))
        return reject(session, re, bad_message("there is no subscription to this channel"), now);
    const dsl::ChannelRules& rules = rules_of(*channel, now);
    if (!rules.acks || session.user.empty())
        return reject(session, re, bad_message("this channel takes no acknowledgements of this client"), now);
    int64_t offset = -1;
    const MessageParser::Member* given = message.find("offset");
    if (!given || given->value.get(offset) != simdjson::SUCCESS || offset < 0)
        return reject(session, re, bad_message("`offset` is that of a message"), now);
    std::optional<uint64_t> epoch = channel->seen.epoch;
    if (const MessageParser::Member* told = message.find("epoch")) {
        std::string_view text;
        epoch = told->value.get(text) == simdjson::SUCCESS ? parse_epoch(text) : std::nullopt;
        if (!epoch) return reject(session, re, bad_message("`epoch` is that of a message"), now);
    }
    const Ticket ticket = next_ticket(session);
    const auto receipt = broker.acknowledge(
        {std::string(name), session.user, {*epoch, static_cast<uint64_t>(offset)}, retention_of(rules), now},
        ticket);
    if (receipt) return answer_acknowledge(session, re, *receipt, now);
    expect(ticket, {session.id, Question::Kind::acknowledge, re}, now);
}

void Gateway::Impl::answer_acknowledge(Session& session, const ReplyTo& re, const Receipt& receipt, Now now) {
    if (receipt.status == Receipt::Status::refused)
        return reject(session, re, bad_message(receipt.because), now);
    if (receipt.status == Receipt::Status::unavailable)
        return reject(session, re, unavailable(receipt.because), now);
    confirm(session, re, now);
}

}  // namespace wayleave
