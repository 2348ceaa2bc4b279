#include "daemon/session/publisher.h"

#include <utility>

#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t most_unanswered = 1000;  // publications of one session

Rejection unavailable(std::string because) {
    return Rejection::of(Reason::unavailable, std::move(because));
}

// What a client says of its own message: short enough to be kept.
constexpr size_t longest_word = 128;

}  // namespace

Publisher::Publisher(std::string name, Subscriptions& subscriptions, Broker& broker, BrokerRequests& requests,
                     Replies& replies, Counters& counters)
    : name_(std::move(name)),
      subscriptions_(subscriptions),
      broker_(broker),
      requests_(requests),
      replies_(replies),
      counters_(counters) {}

std::optional<Draft> Publisher::draft(Session& session, std::string_view channel,
                                      const MessageParser::Message& message, const ReplyTo& re,
                                      const Content& content, bool except_self, Now now) {
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    Draft draft;
    for (auto [name, word] : {std::pair{content.key, &draft.key}, {content.dedup, &draft.dedup}}) {
        const MessageParser::Member* member = message.find(name);
        std::string_view text;
        if (!member) continue;
        if (member->value.get(text) != simdjson::SUCCESS || text.empty() || text.size() > longest_word) {
            replies_.reject(session, re,
                            bad_message("`" + std::string(name) + "` is a text of 1 to 128 bytes"), now);
            return std::nullopt;
        }
        *word = text;
    }
    if (!draft.dedup.empty() && rules.dedup_ms == 0) {
        replies_.reject(session, re,
                        bad_message("this channel has no `dedup`: a repetition would not be known"), now);
        return std::nullopt;
    }
    if (draft.key.empty() && rules.needs_key) {
        replies_.reject(session, re, bad_message("this channel needs `" + std::string(content.key) + "`"),
                        now);
        return std::nullopt;
    }
    draft.members = published_members(content.members, content.stamps);
    if (rules.max_message > 0 && draft.members.size() > rules.max_message) {
        replies_.reject(session, re,
                        bad_message("the message has " + std::to_string(draft.members.size()) +
                                    " bytes, and its channel takes " + std::to_string(rules.max_message)),
                        now);
        return std::nullopt;
    }
    // An id is its user's own, so that nobody can use up another's.
    if (!draft.dedup.empty()) draft.dedup = session.user + '\0' + draft.dedup;
    draft.channel = channel;
    draft.id = name_ + "-" + std::to_string(++publications_);
    draft.except = except_self ? session.number : 0;
    draft.retention = retention_of(rules);
    draft.now = now;
    return draft;
}

void Publisher::publish(Session& session, const ReplyTo& re, std::vector<Draft> drafts, Now now) {
    const auto publishing = std::make_shared<Publishing>();
    publishing->re = re;
    publishing->left = publishing->channels = drafts.size();
    if (drafts.empty()) return replies_.confirm(session, re, now);
    // The storage's queue is everybody's.
    if (session.unanswered + drafts.size() > most_unanswered) {
        return replies_.reject(
            session, re,
            Rejection::of(Reason::limited, "too many of your messages wait for the server's storage"), now);
    }
    session.publishes = true;
    for (Draft& draft : drafts) {
        const Ticket ticket = requests_.next_ticket(session);
        auto receipt = broker_.publish(std::move(draft), ticket);
        if (receipt) {
            published(session, *publishing, std::move(*receipt), now);
        } else {
            ++session.unanswered;
            requests_.expect(ticket, {session.id, BrokerRequest::Kind::publish, {}, nullptr, publishing},
                             now);
        }
    }
}

void Publisher::published(Session& session, Publishing& publishing, Receipt receipt, Now now) {
    const bool good =
        receipt.status == Receipt::Status::accepted || receipt.status == Receipt::Status::duplicate;
    if (receipt.status == Receipt::Status::accepted) counters_.publications.add();
    if (publishing.receipt.because.empty()) publishing.receipt = std::move(receipt);
    if (!good && publishing.receipt.because.empty()) publishing.receipt.because = "it could not be kept";
    if (--publishing.left > 0) return;
    const Receipt& last = publishing.receipt;
    if (!last.because.empty()) return replies_.reject(session, publishing.re, unavailable(last.because), now);
    if (!publishing.re.wanted()) return;
    // Where a message went to several channels, no one position is its own.
    const Position position = publishing.channels == 1 ? last.position : Position{};
    replies_.reply(session, publishing.re,
                   ok_text(publishing.re.id, position, last.status == Receipt::Status::duplicate), now);
}

}  // namespace wayleave
