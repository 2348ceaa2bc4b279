#include "daemon/edge/mailbox.h"

#include <utility>

namespace wayleave {

namespace {

thread_local const Mailbox* own_mailbox = nullptr;

}  // namespace

void Mailbox::owned_by_this_thread() {
    own_mailbox = this;
}

void Mailbox::push(const Publication& publication) {
    bool was_empty = false;
    {
        const std::lock_guard lock(mutex_);
        was_empty = publications_.empty() && commands_.empty();
        publications_.push_back(publication);
    }
    // One wake for many: who finds the box empty sends it, and who empties it takes all.
    if (was_empty && own_mailbox != this) wake();
}

void Mailbox::answered(uint64_t ticket, BrokerAnswer answer) {
    post({.kind = Command::Kind::answer, .ticket = ticket, .answer = std::move(answer)});
}

void Mailbox::unseat(const Occupant& occupant) {
    post({.kind = Command::Kind::unseat, .occupant = occupant});
}

void Mailbox::post(Command command) {
    {
        const std::lock_guard lock(mutex_);
        commands_.push_back(std::move(command));
    }
    wake();
}

void Exchange::add(uint32_t worker, Mailbox& mailbox) {
    if (mailboxes_.size() <= worker) mailboxes_.resize(worker + 1);
    mailboxes_[worker] = &mailbox;
}

bool Exchange::post(uint32_t worker, Command command) const {
    if (worker >= mailboxes_.size() || !mailboxes_[worker]) return false;
    mailboxes_[worker]->post(std::move(command));
    return true;
}

bool Mailbox::take(std::vector<Publication>& publications, std::vector<Command>& commands) {
    const std::lock_guard lock(mutex_);
    publications.swap(publications_);
    commands.swap(commands_);
    return !publications.empty() || !commands.empty();
}

}  // namespace wayleave
