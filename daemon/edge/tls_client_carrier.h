// A connection to a backend over TLS: its socket on the loop, OpenSSL between. The backend's certificate must
// be of its name. One thread.
#pragma once

#include <ev.h>
#include <openssl/types.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/edge/carrier.h"
#include "daemon/edge/client_tls.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"

namespace wayleave {

class TlsClientCarrier final : public Carrier {
  public:
    // The socket is connecting. `host`: a name or an address, as the policy says it.
    TlsClientCarrier(Loop& loop, FileDescriptor socket, std::vector<char>& buffer, CarrierEvents& events,
                     ClientTls::Context context, const std::string& host);
    ~TlsClientCarrier() override;

    [[nodiscard]] bool ready() const override { return ready_; }
    [[nodiscard]] std::optional<size_t> write(std::string_view bytes) override;
    [[nodiscard]] bool full() const override { return full_; }
    void ask_writeable() override;
    void read(bool on) override;
    void end_output() override;
    void close() override;
    [[nodiscard]] int descriptor() const override { return socket_.get(); }
    [[nodiscard]] bool peer_finished() const override { return finished_; }
    // Why TLS was not agreed; empty: it was, or the peer has gone.
    [[nodiscard]] const std::string& why() const { return why_; }

  private:
    struct FreeSsl {
        void operator()(SSL* ssl) const noexcept;
    };

    static void on_io(struct ev_loop* loop, ev_io* watcher, int events) noexcept;
    void happened(int events);
    [[nodiscard]] bool shake_hands();
    [[nodiscard]] bool readable();
    void note_failure();
    void watch();

    Loop& loop_;
    FileDescriptor socket_;
    std::vector<char>& buffer_;
    CarrierEvents& events_;
    ClientTls::Context context_;
    std::unique_ptr<SSL, FreeSsl> ssl_;  // before its socket closes
    ev_io watcher_{};
    int watched_ = 0;
    bool ready_ = false;
    bool reading_ = true;
    bool full_ = false;
    bool finished_ = false;     // by close_notify: a FIN can be anybody's
    bool asked_ = false;        // to be told when it is writeable
    bool wants_write_ = false;  // TLS itself has something to say first
    std::string why_;
};

}  // namespace wayleave
