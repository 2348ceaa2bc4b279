#include "daemon/edge/mailbox.h"

#include <algorithm>
#include <utility>

namespace wayleave {

namespace {

thread_local const Mailbox* own_mailbox = nullptr;

size_t size_of(const Publication& publication) {
    return publication->frame.bytes().size();
}

}  // namespace

void Mailbox::owned_by_this_thread() {
    own_mailbox = this;
}

void Mailbox::push(const Publication& publication) {
    if (push_without_waking(publication)) wake();
}

// One wake for many: a sender that finds the box empty sends it, and the reader takes all.
bool Mailbox::push_without_waking(const Publication& publication) {
    const std::lock_guard lock(mutex_);
    const bool was_empty = publications_.empty() && commands_.empty();
    if (publications_.empty()) since_us_ = steady_us();
    publications_.push_back(publication);
    filled_.store(true, std::memory_order_release);
    held_messages_ += 1;
    held_bytes_ += size_of(publication);
    (void)authorize();  // it cannot get better
    return was_empty && own_mailbox != this;
}

void Mailbox::answered(uint64_t ticket, BrokerAnswer answer) {
    post({.kind = Command::Kind::answer, .ticket = ticket, .answer = std::move(answer)});
}

void Mailbox::post(Command command) {
    {
        const std::lock_guard lock(mutex_);
        commands_.push_back(std::move(command));
        filled_.store(true, std::memory_order_release);
    }
    wake();
}

bool Mailbox::take(std::vector<Publication>& publications, std::vector<Command>& commands,
                   int64_t& since_us) {
    // Whoever fills it after this look wakes us after that.
    if (!filled_.load(std::memory_order_acquire)) return !publications.empty();
    const std::lock_guard lock(mutex_);
    if (publications.empty()) {
        publications.swap(publications_);
        since_us = since_us_;
    }
    commands.swap(commands_);
    filled_.store(!publications_.empty(), std::memory_order_relaxed);
    return !publications.empty() || !commands.empty();
}

void Mailbox::delivered(std::span<const Publication> publications) {
    size_t bytes = 0;
    for (const Publication& publication : publications) bytes += size_of(publication);
    bool all_have_room = false;
    {
        const std::lock_guard lock(mutex_);
        held_messages_ -= publications.size();
        held_bytes_ -= bytes;
        all_have_room = authorize();
    }
    if (all_have_room) exchange_.wake_all();
}

void Mailbox::set_behind(bool behind) {
    if (behind == behind_) return;  // this thread alone changes it
    bool all_have_room = false;
    {
        const std::lock_guard lock(mutex_);
        behind_ = behind;
        all_have_room = authorize();
    }
    if (all_have_room) exchange_.wake_all();
}

// Full from the bound on, until half of it is free; and while its worker does not keep up. True: this was the
// last mailbox without room.
bool Mailbox::authorize() {
    const auto beyond = [&](size_t part) {
        return held_messages_ >= most_messages / part || held_bytes_ >= most_bytes / part;
    };
    over_ = beyond(over_ ? 2 : 1);
    const bool full = over_ || behind_;
    if (full == std::exchange(full_, full)) return false;
    if (!full) return exchange_.pressure().fall();
    exchange_.pressure().rise();
    return false;
}

Mailbox::Held Mailbox::held() const {
    return {held_messages_.load(std::memory_order_relaxed), held_bytes_.load(std::memory_order_relaxed)};
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

void Exchange::wake_all() const {
    for (Mailbox* mailbox : mailboxes_) {
        if (mailbox) mailbox->wake();
    }
}

bool Exchange::crammed() const {
    return std::any_of(mailboxes_.begin(), mailboxes_.end(), [](const Mailbox* mailbox) {
        if (!mailbox) return false;
        const Mailbox::Held held = mailbox->held();
        return held.messages >= crammed_factor * Mailbox::most_messages ||
               held.bytes >= crammed_factor * Mailbox::most_bytes;
    });
}

}  // namespace wayleave
