// Who speaks over connections to backends: told what becomes of them, asked what is to be written. The number
// of a connection says whose it is. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/now.h"

namespace wayleave {

struct Session;

class UpstreamUser {
  public:
    virtual void connected(uint64_t number, Now now) = 0;
    virtual void received(uint64_t number, std::span<char> bytes, Now now) = 0;
    // The backend has said its end; gone() follows.
    virtual void finished(uint64_t, Now) {}
    virtual void gone(uint64_t number, const std::string& why, Now now) = 0;
    [[nodiscard]] virtual bool may_read(uint64_t number) const = 0;
    [[nodiscard]] virtual std::string_view output(uint64_t number) const = 0;
    virtual void written(uint64_t number, size_t bytes, Now now) = 0;
    // Bytes that wait for backends, or came from them and cannot go on, for the sake of this session.
    [[nodiscard]] virtual size_t held(const Session& session) const = 0;

  protected:
    ~UpstreamUser() = default;  // nobody owns one by this
};

// The uppermost bits of a connection's number.
enum class UpstreamKind : uint8_t { stream = 0, request = 1, tunnel = 2 };
[[nodiscard]] constexpr uint64_t marked(UpstreamKind kind, uint64_t number) {
    return number | (uint64_t{static_cast<uint8_t>(kind)} << 62U);
}
[[nodiscard]] constexpr UpstreamKind kind_of(uint64_t number) {
    return static_cast<UpstreamKind>(number >> 62U);
}

}  // namespace wayleave
