// Publications that follow each other in one channel, taken together: each reader is looked at once for all
// of them, and who gets them all as they are gets them as one frame. A session is large, and thousands of
// them do not stay in the CPU's cache from message to message. Borrowed for a delivery; one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "daemon/message/message.h"
#include "daemon/message/shared_frame.h"
#include "daemon/session/actions.h"
#include "daemon/session/hub.h"

namespace wayleave {

// Of the payload's frames.
[[nodiscard]] size_t bytes_of(std::span<const Publication> publications);

class PublicationRun {
  public:
    // Not empty, and of one channel and one numbering: see run_length().
    explicit PublicationRun(std::span<const Publication> publications);

    [[nodiscard]] std::span<const Publication> publications() const { return publications_; }
    [[nodiscard]] Position last() const { return publications_.back()->position; }
    [[nodiscard]] size_t bytes() const { return bytes_; }
    [[nodiscard]] std::optional<dsl::Lane> lane() const { return publications_.front()->lane; }

    // They can be one frame, and the subscriber lacks exactly these.
    [[nodiscard]] bool is_whole_for(const Subscriber& subscriber) const;
    // As WebSocket frames without compression, one behind the other. Made when the first reader wants it.
    [[nodiscard]] const Frame& joined();

  private:
    std::span<const Publication> publications_;
    size_t bytes_;
    bool joinable_;
    bool numbered_;
    Frame joined_ = nullptr;
};

// How many from the front on go to the same `readers` one after the other, and no more than is allowed.
[[nodiscard]] size_t run_length(std::span<const Publication> publications, size_t readers,
                                const Allowance& allowance);

}  // namespace wayleave
