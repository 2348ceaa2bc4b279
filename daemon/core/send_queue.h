// The bytes that wait for one connection: references to shared frames, in order. Owned by its session; one
// thread.
#pragma once

#include <cstddef>
#include <deque>
#include <string_view>
#include <vector>

#include "daemon/core/broker.h"

namespace wayleave {

class SendQueue {
  public:
    void push(Frame frame);

    [[nodiscard]] size_t bytes() const { return bytes_; }
    [[nodiscard]] size_t frames() const { return frames_.size() - first_; }
    [[nodiscard]] bool empty() const { return bytes_ == 0; }

    // The next bytes to write, at most `most`. One frame's are given as they are; several are joined in
    // `scratch`, which keeps its capacity. The view lives until the queue or `scratch` changes.
    [[nodiscard]] std::string_view gather(std::vector<char>& scratch, size_t most) const;

    // The first `n` bytes are written.
    void consume(size_t n);
    void clear();

    // Drops all that has not begun to be written.
    void drop_unsent();

  private:
    std::vector<Frame> frames_;  // a vector, not a deque: an idle queue costs no heap
    size_t first_ = 0;           // frames before it are written
    size_t offset_ = 0;          // bytes written of the first
    size_t bytes_ = 0;
};

}  // namespace wayleave
