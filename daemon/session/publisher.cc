#include "daemon/session/publisher.h"

#include <utility>

#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t most_unanswered = 1000;  // publications of one session

Rejection storage_away(std::string because) {
    return Rejection::of(Reason::unavailable, std::move(because));
}

}  // namespace

Publisher::Publisher(std::string name, Broker& broker, BrokerRequests& requests, Replies& replies,
                     Counters& counters)
    : name_(std::move(name)), broker_(broker), requests_(requests), replies_(replies), counters_(counters) {}

bool Publisher::has_room(const Session& session, size_t publications) const {
    return session.unanswered + publications <= most_unanswered;
}

Rejection Publisher::no_room() {
    return Rejection::of(Reason::limited, "too many of your messages wait for the server's storage");
}

void Publisher::publish(Session& session, const ReplyTo& re, std::vector<Draft> drafts, Now now,
                        std::vector<std::string> replies) {
    const auto publishing = std::make_shared<Publishing>();
    publishing->re = re;
    publishing->left = publishing->channels = drafts.size();
    publishing->replies = std::move(replies);
    if (drafts.empty() && !publishing->replies.empty()) return reply(session, *publishing, now);
    if (drafts.empty()) return replies_.confirm(session, re, now);
    if (!has_room(session, drafts.size())) return replies_.reject(session, re, no_room(), now);
    session.publishes = true;
    for (Draft& draft : drafts) {
        draft.id = name_ + "-" + std::to_string(++publications_);
        // An id is its user's own, so that nobody can use up another's.
        if (!draft.dedup.empty()) draft.dedup.insert(0, session.user + '\0');
        draft.now = now;
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

void Publisher::publish_for(const dsl::BackendDecl& backend, std::vector<Draft> drafts, Now now) {
    for (Draft& draft : drafts) {
        draft.id = name_ + "-" + std::to_string(++publications_);
        // No user's own ids begin so: see publish().
        if (!draft.dedup.empty()) draft.dedup.insert(0, "\3" + backend.name + '\0');
        draft.now = now;
        const Ticket ticket = requests_.next_ticket();
        const auto receipt = broker_.publish(std::move(draft), ticket);
        if (!receipt) {
            requests_.expect(ticket, {.id = {}, .kind = BrokerRequest::Kind::order}, now);
        } else {
            note_order(*receipt);
        }
    }
}

void Publisher::note_order(const Receipt& receipt) {
    if (receipt.status == Receipt::Status::accepted) {
        counters_.publications.add();
    } else if (receipt.status != Receipt::Status::duplicate) {
        counters_.orders_lost.add();
    }
}

// A POST has one answer; what is more goes over the session's own connection.
void Publisher::reply(Session& session, const Publishing& publishing, Now now) {
    ReplyTo to = publishing.re;
    for (const std::string& text : publishing.replies) {
        if (session.state != Session::State::open) return;  // too slow for the one before
        replies_.reply(session, to, text, now);
        to.relay = 0;
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
    if (!last.because.empty())
        return replies_.reject(session, publishing.re, storage_away(last.because), now);
    if (!publishing.replies.empty()) return reply(session, publishing, now);
    if (!publishing.re.wanted()) return;
    // Where a message went to several channels, no one position is its own.
    const Position position = publishing.channels == 1 ? last.position : Position{};
    replies_.reply(session, publishing.re,
                   ok_text(publishing.re.id, position, last.status == Receipt::Status::duplicate), now);
}

}  // namespace wayleave
