// Numbers of sessions. Each names its worker in the low bits; the others cannot be guessed: who sends a POST
// for a session shows that he knows it, and on a public route nothing else. A worker's own, and not for
// threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace wayleave {

class SessionNumbers {
  public:
    explicit SessionNumbers(uint32_t worker) : worker_(worker) {}

    // Never 0. Throws if OpenSSL has no random numbers.
    [[nodiscard]] uint64_t next();

    // Of which worker a session is.
    [[nodiscard]] static uint32_t worker_of(uint64_t number) noexcept {
        return static_cast<uint32_t>(number & 0xff);
    }

  private:
    uint64_t worker_;
    // OpenSSL takes as long for a few bytes as for many.
    std::array<uint64_t, 64> drawn_{};
    size_t left_ = 0;
};

}  // namespace wayleave
