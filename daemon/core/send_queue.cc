#include "daemon/core/send_queue.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace wayleave {

void SendQueue::push(Frame frame) {
    if (!frame || frame->empty()) return;  // nothing to send; a frame of no bytes would never be consumed
    bytes_ += frame->size();
    frames_.push_back(std::move(frame));
}

std::string_view SendQueue::gather(std::vector<char>& scratch, size_t most) const {
    if (empty()) return {};
    const std::string_view first = std::string_view(*frames_[first_]).substr(offset_);
    if (frames() == 1 || first.size() >= most) return first.substr(0, most);

    scratch.clear();
    scratch.insert(scratch.end(), first.begin(), first.end());
    for (size_t i = first_ + 1; i < frames_.size() && scratch.size() < most; ++i) {
        const auto part = std::string_view(*frames_[i]).substr(0, most - scratch.size());
        scratch.insert(scratch.end(), part.begin(), part.end());
    }
    return {scratch.data(), scratch.size()};
}

void SendQueue::consume(size_t n) {
    if (n > bytes_) throw std::logic_error("more bytes were written than were queued");
    if (n == bytes_) return clear();
    bytes_ -= n;
    offset_ += n;
    while (offset_ >= frames_[first_]->size()) {
        offset_ -= frames_[first_]->size();
        frames_[first_++]
            .reset();  // the last reader of a shared frame frees it now, not when the queue is empty
    }
    // Moving the rest to the front once half is written costs constant time a frame.
    if (first_ * 2 < frames_.size()) return;
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
}

void SendQueue::clear() {
    std::vector<Frame>().swap(frames_);  // most connections are idle: give the heap back
    first_ = 0;
    offset_ = 0;
    bytes_ = 0;
}

void SendQueue::drop_unsent() {
    if (offset_ == 0) return clear();
    frames_.resize(first_ + 1);
    bytes_ = frames_[first_]->size() - offset_;
}

}  // namespace wayleave
