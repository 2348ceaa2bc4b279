// What brings the bytes of one connection to its peer and back: a socket of ours (plain_carrier.h), or
// libwebsockets where there is TLS (lws_carriers.h). A carrier bounds and judges nothing: what a peer may do
// to us is Transports' business, for all carriers alike. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wayleave {

// What a carrier tells its connection.
class CarrierEvents {
  public:
    // TLS is agreed; before the first received(). The claims are those of the client's certificate.
    virtual void secured(uint16_t version, std::shared_ptr<const std::string> claims) = 0;
    // Asked before each read, if that can be: false, and reading is paused.
    [[nodiscard]] virtual bool may_read() = 0;
    // These return false where the connection is to be closed; the carrier does so at once.
    [[nodiscard]] virtual bool received(std::span<char> bytes) = 0;
    [[nodiscard]] virtual bool writeable() = 0;
    // The peer has said its end. True: it is to be answered still, and is not read from any more.
    [[nodiscard]] virtual bool finished() { return false; }
    // It asked in plain HTTP where there is TLS, and was told so; gone() follows.
    virtual void spoke_plainly() {}
    // The socket is closed. The carrier may be destroyed in this call.
    virtual void gone() = 0;

  protected:
    ~CarrierEvents() = default;
};

class Carrier {
  public:
    Carrier() = default;
    virtual ~Carrier() = default;
    Carrier(const Carrier&) = delete;
    Carrier& operator=(const Carrier&) = delete;

    // Nothing can be written before TLS is agreed.
    [[nodiscard]] virtual bool ready() const = 0;
    // How many bytes are taken, from the front; nothing: the connection is broken.
    [[nodiscard]] virtual std::optional<size_t> write(std::string_view bytes) = 0;
    // The socket has not taken all that it was given. Then writeable() follows by itself.
    [[nodiscard]] virtual bool full() const = 0;
    virtual void ask_writeable() = 0;
    // Pauses reading, or goes on with it.
    virtual void read(bool on) = 0;
    // No byte follows: tells the peer so, which may still send.
    virtual void end_output() = 0;
    // Closes the socket; gone() is called on the way. Not in a call of the events.
    virtual void close() = 0;
    [[nodiscard]] virtual int descriptor() const = 0;
    // Whether the peer has said its end, so that what came is all. Else the connection has broken.
    [[nodiscard]] virtual bool peer_finished() const { return false; }
};

}  // namespace wayleave
