#include "daemon/session/session_numbers.h"

#include <openssl/rand.h>

#include <stdexcept>
#include <utility>

namespace wayleave {
namespace {

constexpr uint64_t worker_mask = 0xff;

}  // namespace

uint64_t SessionNumbers::next() {
    for (;;) {
        if (left_ == 0) {
            if (RAND_bytes(reinterpret_cast<unsigned char*>(drawn_.data()), sizeof drawn_) != 1)
                throw std::runtime_error("OpenSSL has no random numbers");
            left_ = drawn_.size();
        }
        // One that has been given is not kept here.
        const uint64_t number = std::exchange(drawn_.at(--left_), 0);
        if (number > worker_mask) return (number & ~worker_mask) | (worker_ & worker_mask);
    }
}

}  // namespace wayleave
