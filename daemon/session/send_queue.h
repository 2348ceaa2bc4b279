// The bytes that wait for one connection: references to shared frames, in three lanes. Within a lane they are
// sent in order; urgent ones overtake the others, and none waits for ever. Owned by its session; one thread.
#pragma once

#include <absl/container/inlined_vector.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/message/shared_frame.h"
#include "dsl/policy/policy.h"

namespace wayleave {

class SendQueue {
  public:
    // Whether a frame may be left out where its reader is too slow, and which of several is.
    enum class Give : uint8_t {
        never,
        late,   // those that came last
        early,  // those that came first
    };

    void push(Frame frame, int64_t now_ms = 0, dsl::Lane lane = dsl::Lane::normal, Give give = Give::never);
    // What waits now is overtaken by nothing that comes later.
    void commit();
    // Behind all that waits, whatever its lane. Nothing is pushed afterwards.
    void push_last(Frame frame);

    [[nodiscard]] size_t bytes() const { return bytes_; }
    [[nodiscard]] size_t frames() const;
    // How long the oldest waits of which no byte is written; 0 if there is none.
    [[nodiscard]] int64_t age_ms(int64_t now_ms) const;
    [[nodiscard]] bool empty() const { return bytes_ == 0; }

    // The next bytes to write, at most `most`. One frame's are given as they are; several are joined in
    // `scratch`, which keeps its capacity. The view lives until the queue or `scratch` changes.
    [[nodiscard]] std::string_view gather(std::vector<char>& scratch, size_t most);

    // The first `n` bytes are written.
    void consume(size_t n);
    void clear();

    // Drops all that has not begun to be written.
    void drop_unsent();

    // Of what may be left out, early or late, and has not begun to be written: the oldest, or the newest, of
    // the low lane first, until at most so much is left; or all that waits longer. They return how many were
    // dropped.
    size_t drop_oldest(size_t bytes, size_t frames);
    size_t drop_newest(size_t bytes, size_t frames);
    size_t drop_older(int64_t age_ms, int64_t now_ms);

  private:
    struct Waiting {
        Frame frame;
        uint32_t since_ms = 0;  // the low bits of steady time: nothing waits for weeks
        Give give = Give::never;
        dsl::Lane lane = dsl::Lane::normal;
    };
    // What is not yet in line.
    struct Lane {
        std::vector<Waiting> frames;
        size_t first = 0;        // those before it have moved into the line
        uint32_t overtaken = 0;  // times in a row that a more urgent lane went first

        [[nodiscard]] size_t size() const { return frames.size() - first; }
    };
    using Lanes = std::array<Lane, 3>;  // by dsl::Lane

    [[nodiscard]] size_t unsent() const { return first_ + (offset_ > 0 ? 1 : 0); }
    [[nodiscard]] Lanes& lanes();
    void line_up(size_t bytes);
    [[nodiscard]] Lane* next_lane() const;
    void line_up_all();
    [[nodiscard]] bool within(size_t bytes, size_t frames, size_t dropped) const;
    void drop(Waiting& waiting);
    size_t close_gaps(size_t dropped);

    using Line = absl::InlinedVector<Waiting, 1>;  // mostly one waits, and an idle queue costs no heap

    Line frames_;                   // the line
    size_t first_ = 0;              // frames before it are written
    size_t offset_ = 0;             // bytes written of the first
    size_t bytes_ = 0;              // of the line and the lanes
    size_t committed_ = 0;          // frames of the line that keep their place
    std::unique_ptr<Lanes> lanes_;  // null while all that waits is of the normal lane
};

}  // namespace wayleave
