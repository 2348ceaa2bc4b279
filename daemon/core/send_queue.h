// The bytes that wait for one connection: references to shared frames, in order. Owned by its session; one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "daemon/core/broker.h"

namespace wayleave {

class SendQueue {
  public:
    // `droppable`: it may be left out where its reader is too slow.
    void push(Frame frame, int64_t now_ms = 0, bool droppable = false);

    [[nodiscard]] size_t bytes() const { return bytes_; }
    [[nodiscard]] size_t frames() const { return frames_.size() - first_; }
    // How long the oldest waits of which no byte is written; 0 if there is none.
    [[nodiscard]] int64_t age_ms(int64_t now_ms) const;
    [[nodiscard]] bool empty() const { return bytes_ == 0; }

    // The next bytes to write, at most `most`. One frame's are given as they are; several are joined in
    // `scratch`, which keeps its capacity. The view lives until the queue or `scratch` changes.
    [[nodiscard]] std::string_view gather(std::vector<char>& scratch, size_t most) const;

    // The first `n` bytes are written.
    void consume(size_t n);
    void clear();

    // Drops all that has not begun to be written.
    void drop_unsent();

    // Of what is droppable and has not begun to be written: the oldest, or the newest, until at most so much
    // is left; or all that waits longer. They return how many were dropped.
    size_t drop_oldest(size_t bytes, size_t frames);
    size_t drop_newest(size_t bytes, size_t frames);
    size_t drop_older(int64_t age_ms, int64_t now_ms);

  private:
    struct Waiting {
        Frame frame;
        uint32_t since_ms = 0;  // the low bits of steady time: nothing waits for weeks
        bool droppable = false;
    };

    [[nodiscard]] size_t unsent() const { return first_ + (offset_ > 0 ? 1 : 0); }
    void drop(Waiting& waiting);
    size_t close_gaps(size_t dropped);

    std::vector<Waiting> frames_;  // a vector, not a deque: an idle queue costs no heap
    size_t first_ = 0;             // frames before it are written
    size_t offset_ = 0;            // bytes written of the first
    size_t bytes_ = 0;
};

}  // namespace wayleave
