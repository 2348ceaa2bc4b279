#include "daemon/edge/loop.h"

#include <csignal>
#include <stdexcept>
#include <utility>

namespace wayleave {

namespace {

constexpr double ms_per_second = 1000.0;

// What libev calls; `data` is the watcher's callback. noexcept: what is thrown here is a bug, and ends the
// process.
template <class Watcher>
void call(struct ev_loop*, Watcher* watcher, int) noexcept {
    (*static_cast<std::function<void()>*>(watcher->data))();
}

void call_with_events(struct ev_loop*, ev_io* watcher, int events) noexcept {
    (*static_cast<IoWatcher::Callback*>(watcher->data))(events);
}

}  // namespace

// epoll by name: libev would also take an inherited LIBEV_FLAGS, and io_uring is refused by sandboxes.
Loop::Loop() : loop_(ev_loop_new(unsigned{EVBACKEND_EPOLL} | unsigned{EVFLAG_NOENV})) {
    if (loop_ == nullptr)
        throw std::runtime_error("the kernel gives no epoll instance; check the limit on open files");
}

Loop::~Loop() {
    ev_loop_destroy(loop_);
}

void Loop::run() {
    ev_run(loop_, 0);
}

void Loop::stop() {
    ev_break(loop_, EVBREAK_ALL);
}

IoWatcher::IoWatcher(Loop& loop, int fd, Callback callback) : loop_(loop), callback_(std::move(callback)) {
    ev_io_init(&watcher_, call_with_events, fd, 0);
    watcher_.data = &callback_;
}

IoWatcher::~IoWatcher() {
    ev_io_stop(loop_.raw(), &watcher_);
}

void IoWatcher::watch(int events) {
    ev_io_stop(loop_.raw(), &watcher_);
    if (events == 0) return;
    ev_io_set(&watcher_, watcher_.fd, events);
    ev_io_start(loop_.raw(), &watcher_);
}

Timer::Timer(Loop& loop, Callback callback) : loop_(loop), callback_(std::move(callback)) {
    ev_timer_init(&watcher_, call<ev_timer>, 0.0, 0.0);
    watcher_.data = &callback_;
}

Timer::~Timer() {
    stop();
}

void Timer::after(int64_t ms) {
    stop();
    ev_timer_set(&watcher_, static_cast<double>(ms) / ms_per_second, 0.0);
    ev_timer_start(loop_.raw(), &watcher_);
}

void Timer::every(int64_t ms) {
    stop();
    const double seconds = static_cast<double>(ms) / ms_per_second;
    ev_timer_set(&watcher_, seconds, seconds);
    ev_timer_start(loop_.raw(), &watcher_);
}

void Timer::stop() {
    ev_timer_stop(loop_.raw(), &watcher_);
}

Wakeup::Wakeup(Loop& loop, Callback callback) : loop_(loop), callback_(std::move(callback)) {
    ev_async_init(&watcher_, call<ev_async>);
    watcher_.data = &callback_;
    ev_async_start(loop_.raw(), &watcher_);
}

Wakeup::~Wakeup() {
    ev_async_stop(loop_.raw(), &watcher_);
}

void Wakeup::send() {
    ev_async_send(loop_.raw(), &watcher_);
}

Turn::Turn(Loop& loop, Callback begins, Callback ends)
    : loop_(loop), begins_(std::move(begins)), ends_(std::move(ends)) {
    ev_check_init(&check_, call<ev_check>);
    check_.data = &begins_;
    ev_set_priority(&check_, EV_MAXPRI);  // libev calls a check of this priority before every other watcher
    ev_check_start(loop_.raw(), &check_);
    ev_prepare_init(&prepare_, call<ev_prepare>);
    prepare_.data = &ends_;
    ev_prepare_start(loop_.raw(), &prepare_);
}

Turn::~Turn() {
    ev_prepare_stop(loop_.raw(), &prepare_);
    ev_check_stop(loop_.raw(), &check_);
}

SignalWatcher::SignalWatcher(Loop& loop, int signal, Callback callback)
    : loop_(loop), callback_(std::move(callback)) {
    ev_signal_init(&watcher_, call<ev_signal>, signal);
    watcher_.data = &callback_;
    ev_signal_start(loop_.raw(), &watcher_);
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, signal);
    pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
}

SignalWatcher::~SignalWatcher() {
    ev_signal_stop(loop_.raw(), &watcher_);
}

}  // namespace wayleave
