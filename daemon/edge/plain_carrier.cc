#include "daemon/edge/plain_carrier.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace wayleave {

PlainCarrier::PlainCarrier(Loop& loop, FileDescriptor socket, std::vector<char>& buffer,
                           CarrierEvents& events)
    : loop_(loop), socket_(std::move(socket)), buffer_(buffer), events_(events) {
    ev_io_init(&watcher_, on_io, socket_.get(), 0);
    watcher_.data = this;
    watch();
}

PlainCarrier::~PlainCarrier() {
    ev_io_stop(loop_.raw(), &watcher_);
}

// noexcept: an exception here is a bug, and there is no way for it through C.
void PlainCarrier::on_io(struct ev_loop*, ev_io* watcher, int events) noexcept {
    static_cast<PlainCarrier*>(watcher->data)->happened(events);
}

void PlainCarrier::happened(int events) {
    if ((events & EV_WRITE) != 0) {
        full_ = asked_ = false;
        if (!events_.writeable()) return close();
        watch();
    }
    if ((events & EV_READ) != 0 && reading_) readable();
}

// Once for each event, so that others have their turn; the loop tells of the rest again.
void PlainCarrier::readable() {
    if (!events_.may_read()) return;
    const ssize_t size = recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size == 0) return peer_ended();
    if (size < 0 || !events_.received({buffer_.data(), static_cast<size_t>(size)})) close();
}

void PlainCarrier::peer_ended() {
    finished_ = true;
    events_.finished() ? watch() : close();
}

std::optional<size_t> PlainCarrier::write(std::string_view bytes) {
    ssize_t sent = -1;
    do {
        sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) return std::nullopt;
    const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    full_ = taken < bytes.size();
    watch();
    return taken;
}

void PlainCarrier::ask_writeable() {
    asked_ = true;
    watch();
}

void PlainCarrier::read(bool on) {
    reading_ = on;
    watch();
}

void PlainCarrier::end_output() {
    (void)shutdown(socket_.get(), SHUT_WR);
}

void PlainCarrier::close() {
    ev_io_stop(loop_.raw(), &watcher_);  // before its descriptor can be another's
    socket_.close();
    events_.gone();
}

void PlainCarrier::watch() {
    const int wanted = (reading_ && !finished_ ? EV_READ : 0) | (full_ || asked_ ? EV_WRITE : 0);
    if (wanted == watched_) return;
    watched_ = wanted;
    ev_io_stop(loop_.raw(), &watcher_);
    if (wanted == 0) return;
    ev_io_set(&watcher_, watcher_.fd, wanted);
    ev_io_start(loop_.raw(), &watcher_);
}

}  // namespace wayleave
