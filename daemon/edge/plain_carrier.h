// A connection without TLS: its socket on the loop. It keeps no bytes; what the kernel does not take stays
// where it is.
#pragma once

#include <ev.h>

#include <vector>

#include "daemon/edge/carrier.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"

namespace wayleave {

class PlainCarrier final : public Carrier {
  public:
    // `buffer` is where it reads to, and may be the same for all. The socket does not block.
    PlainCarrier(Loop& loop, FileDescriptor socket, std::vector<char>& buffer, CarrierEvents& events);
    ~PlainCarrier() override;

    [[nodiscard]] bool ready() const override { return true; }
    [[nodiscard]] std::optional<size_t> write(std::string_view bytes) override;
    [[nodiscard]] bool full() const override { return full_; }
    void ask_writeable() override;
    void read(bool on) override;
    void end_output() override;
    void close() override;
    [[nodiscard]] int descriptor() const override { return socket_.get(); }
    [[nodiscard]] bool peer_finished() const override { return finished_; }

  private:
    static void on_io(struct ev_loop* loop, ev_io* watcher, int events) noexcept;
    void happened(int events);
    void readable();
    void peer_ended();
    void watch();

    Loop& loop_;
    FileDescriptor socket_;
    std::vector<char>& buffer_;
    CarrierEvents& events_;
    ev_io watcher_{};
    int watched_ = 0;
    bool reading_ = true;
    bool full_ = false;
    bool finished_ = false;
    bool asked_ = false;  // to be told when it is writeable
};

}  // namespace wayleave
