// An event loop and its watchers, over libev: each stops when it goes. One thread; only Wakeup::send() may be
// called by others. Callbacks may not throw: std::terminate() is then the right end, with the stack of the
// throw intact.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>

namespace wayleave {

class Loop {
  public:
    Loop();  // throws when the kernel gives no epoll
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void run();  // until stop() is called in a callback
    void stop();
    [[nodiscard]] struct ev_loop* raw() const { return loop_; }

  private:
    struct ev_loop* loop_;
};

// Watchers are registered by address: they neither move nor outlive their loop.
class IoWatcher {
  public:
    using Callback = std::function<void(int events)>;

    IoWatcher(Loop& loop, int fd, Callback callback);  // watches nothing yet
    ~IoWatcher();
    IoWatcher(const IoWatcher&) = delete;
    IoWatcher& operator=(const IoWatcher&) = delete;

    void watch(int events);  // EV_READ | EV_WRITE; 0 pauses

  private:
    Loop& loop_;
    Callback callback_;
    ev_io watcher_{};
};

class Timer {
  public:
    using Callback = std::function<void()>;

    Timer(Loop& loop, Callback callback);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void after(int64_t ms);  // once; replaces what was set
    void every(int64_t ms);
    void stop();

  private:
    Loop& loop_;
    Callback callback_;
    ev_timer watcher_{};
};

// Wakes the loop out of its sleep. send() may be called by any thread and from a signal handler; several
// sends before the loop turns are one call back.
class Wakeup {
  public:
    using Callback = std::function<void()>;

    Wakeup(Loop& loop, Callback callback);
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    void send();

  private:
    Loop& loop_;
    Callback callback_;
    ev_async watcher_{};
};

// The two ends of a turn: `begins` is called when the loop has woken, before anything else; `ends` before it
// sleeps.
class Turn {
  public:
    using Callback = std::function<void()>;

    Turn(Loop& loop, Callback begins, Callback ends);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

  private:
    Loop& loop_;
    Callback begins_;
    Callback ends_;
    ev_check check_{};
    ev_prepare prepare_{};
};

class SignalWatcher {
  public:
    using Callback = std::function<void()>;

    SignalWatcher(Loop& loop, int signal, Callback callback);  // unblocks the signal in this thread
    ~SignalWatcher();
    SignalWatcher(const SignalWatcher&) = delete;
    SignalWatcher& operator=(const SignalWatcher&) = delete;

  private:
    Loop& loop_;
    Callback callback_;
    ev_signal watcher_{};
};

}  // namespace wayleave
