#include "daemon/core/send_queue.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace wayleave {

void SendQueue::push(Frame frame, int64_t now_ms, bool droppable) {
    if (!frame || frame->empty()) return;  // nothing to send; a frame of no bytes would never be consumed
    bytes_ += frame->size();
    frames_.push_back({std::move(frame), static_cast<uint32_t>(now_ms), droppable});
}

std::string_view SendQueue::gather(std::vector<char>& scratch, size_t most) const {
    if (empty()) return {};
    const std::string_view first = std::string_view(*frames_[first_].frame).substr(offset_);
    if (frames() == 1 || first.size() >= most) return first.substr(0, most);

    scratch.clear();
    scratch.insert(scratch.end(), first.begin(), first.end());
    for (size_t i = first_ + 1; i < frames_.size() && scratch.size() < most; ++i) {
        const auto part = std::string_view(*frames_[i].frame).substr(0, most - scratch.size());
        scratch.insert(scratch.end(), part.begin(), part.end());
    }
    return {scratch.data(), scratch.size()};
}

void SendQueue::consume(size_t n) {
    if (n > bytes_) throw std::logic_error("more bytes were written than were queued");
    if (n == bytes_) return clear();
    bytes_ -= n;
    offset_ += n;
    while (offset_ >= frames_[first_].frame->size()) {
        offset_ -= frames_[first_].frame->size();
        // The last reader of a shared frame frees it now, not when the queue is empty.
        frames_[first_++].frame.reset();
    }
    // Moving the rest to the front once half is written costs constant time a frame.
    if (first_ * 2 < frames_.size()) return;
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
}

void SendQueue::clear() {
    std::vector<Waiting>().swap(frames_);  // most connections are idle: give the heap back
    first_ = 0;
    offset_ = 0;
    bytes_ = 0;
}

void SendQueue::drop_unsent() {
    if (offset_ == 0) return clear();
    frames_.resize(first_ + 1);
    bytes_ = frames_[first_].frame->size() - offset_;
}

int64_t SendQueue::age_ms(int64_t now_ms) const {
    if (unsent() >= frames_.size()) return 0;
    return static_cast<int32_t>(static_cast<uint32_t>(now_ms) - frames_[unsent()].since_ms);
}

size_t SendQueue::drop_oldest(size_t bytes, size_t frames) {
    size_t dropped = 0;
    for (size_t i = unsent(); i < frames_.size(); ++i) {
        if (bytes_ <= bytes && this->frames() - dropped <= frames) break;
        if (!frames_[i].droppable) continue;
        drop(frames_[i]);
        ++dropped;
    }
    return close_gaps(dropped);
}

size_t SendQueue::drop_newest(size_t bytes, size_t frames) {
    size_t dropped = 0;
    for (size_t i = frames_.size(); i-- > unsent();) {
        if (bytes_ <= bytes && this->frames() - dropped <= frames) break;
        if (!frames_[i].droppable) continue;
        drop(frames_[i]);
        ++dropped;
    }
    return close_gaps(dropped);
}

size_t SendQueue::drop_older(int64_t age_ms, int64_t now_ms) {
    size_t dropped = 0;
    for (size_t i = unsent(); i < frames_.size(); ++i) {
        if (static_cast<int32_t>(static_cast<uint32_t>(now_ms) - frames_[i].since_ms) <= age_ms) break;
        if (!frames_[i].droppable) continue;
        drop(frames_[i]);
        ++dropped;
    }
    return close_gaps(dropped);
}

void SendQueue::drop(Waiting& waiting) {
    bytes_ -= waiting.frame->size();
    waiting.frame.reset();
}

// One walk for all that was dropped.
size_t SendQueue::close_gaps(size_t dropped) {
    if (dropped == 0) return 0;
    const auto start = frames_.begin() + static_cast<std::ptrdiff_t>(first_);
    frames_.erase(std::remove_if(start, frames_.end(), [](const Waiting& one) { return !one.frame; }),
                  frames_.end());
    if (bytes_ == 0) clear();
    return dropped;
}

}  // namespace wayleave
