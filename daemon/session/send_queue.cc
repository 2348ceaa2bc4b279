#include "daemon/session/send_queue.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace wayleave {
namespace {

// After so many times that others went first, it is a lane's turn.
constexpr uint32_t patience = 8;

}  // namespace

void SendQueue::push(Frame frame, int64_t now_ms, dsl::Lane lane, Give give) {
    if (!frame || frame->empty()) return;  // nothing to send; a frame of no bytes would never be consumed
    bytes_ += frame->size();
    Waiting waiting{std::move(frame), static_cast<uint32_t>(now_ms), give, lane};
    if (!lanes_ && lane == dsl::Lane::normal) {
        frames_.push_back(std::move(waiting));
    } else {
        lanes()[static_cast<size_t>(lane)].frames.push_back(std::move(waiting));
    }
}

void SendQueue::commit() {
    line_up_all();
    committed_ = frames_.size();
}

void SendQueue::push_last(Frame frame) {
    line_up_all();
    push(std::move(frame));
}

// From now on what waits may be overtaken, but for what has begun and what is committed.
SendQueue::Lanes& SendQueue::lanes() {
    if (lanes_) return *lanes_;
    lanes_ = std::make_unique<Lanes>();
    const size_t keep = std::max(unsent(), committed_);
    if (keep >= frames_.size()) return *lanes_;
    const auto rest = frames_.begin() + static_cast<std::ptrdiff_t>(keep);
    for (auto it = rest; it != frames_.end(); ++it)
        (*lanes_)[static_cast<size_t>(it->lane)].frames.push_back(std::move(*it));
    frames_.erase(rest, frames_.end());
    return *lanes_;
}

// The most urgent one, but for one that has been overtaken often enough.
SendQueue::Lane* SendQueue::next_lane() const {
    Lane* next = nullptr;
    for (Lane& lane : *lanes_) {
        if (lane.size() == 0) continue;
        if (!next || lane.overtaken >= patience) next = &lane;
    }
    return next;
}

// Frames leave their lanes as they are about to be written, and no earlier.
void SendQueue::line_up(size_t bytes) {
    if (!lanes_) return;
    size_t ready = 0;
    for (size_t i = first_; i < frames_.size(); ++i) ready += frames_[i].frame->size();
    while (ready < bytes + offset_) {
        Lane* next = next_lane();
        if (!next) {
            lanes_.reset();
            return;
        }
        for (Lane& lane : *lanes_) {
            if (lane.size() > 0 && &lane > next) ++lane.overtaken;
        }
        next->overtaken = 0;
        Waiting& waiting = next->frames[next->first++];
        ready += waiting.frame->size();
        frames_.push_back(std::move(waiting));
        if (next->size() == 0) *next = {};
    }
}

void SendQueue::line_up_all() {
    if (!lanes_) return;
    for (Lane& lane : *lanes_) {
        for (; lane.size() > 0; ++lane.first) frames_.push_back(std::move(lane.frames[lane.first]));
    }
    lanes_.reset();
}

size_t SendQueue::frames() const {
    size_t frames = frames_.size() - first_;
    if (!lanes_) return frames;
    for (const Lane& lane : *lanes_) frames += lane.size();
    return frames;
}

std::string_view SendQueue::gather(std::vector<char>& scratch, size_t most) {
    if (empty()) return {};
    line_up(most);
    const std::string_view first = std::string_view(*frames_[first_].frame).substr(offset_);
    if (frames_.size() - first_ == 1 || first.size() >= most) return first.substr(0, most);

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
    line_up(n);
    bytes_ -= n;
    offset_ += n;
    while (first_ < frames_.size() && offset_ >= frames_[first_].frame->size()) {
        offset_ -= frames_[first_].frame->size();
        // The last reader of a shared frame frees it now, not when the queue is empty.
        frames_[first_++].frame.reset();
    }
    // Moving the rest to the front once half is written costs constant time a frame.
    if (first_ * 2 < frames_.size()) return;
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(first_));
    committed_ -= std::min(committed_, first_);
    first_ = 0;
}

void SendQueue::clear() {
    Line().swap(frames_);  // most connections are idle: give the heap back
    lanes_.reset();
    first_ = 0;
    offset_ = 0;
    bytes_ = 0;
    committed_ = 0;
}

void SendQueue::drop_unsent() {
    if (offset_ == 0) return clear();
    lanes_.reset();
    frames_.resize(first_ + 1);
    committed_ = 0;
    bytes_ = frames_[first_].frame->size() - offset_;
}

int64_t SendQueue::age_ms(int64_t now_ms) const {
    const auto age = [&](const Waiting& waiting) {
        return int64_t{static_cast<int32_t>(static_cast<uint32_t>(now_ms) - waiting.since_ms)};
    };
    int64_t oldest = unsent() < frames_.size() ? age(frames_[unsent()]) : 0;
    if (!lanes_) return oldest;
    for (const Lane& lane : *lanes_) {
        if (lane.size() > 0) oldest = std::max(oldest, age(lane.frames[lane.first]));
    }
    return oldest;
}

// --- what a slow reader does without ---

bool SendQueue::within(size_t bytes, size_t frames, size_t dropped) const {
    return bytes_ <= bytes && this->frames() - dropped <= frames;
}

size_t SendQueue::drop_oldest(size_t bytes, size_t frames) {
    size_t dropped = 0;
    const auto sweep = [&](auto& waiting, size_t from) {
        for (size_t i = from; i < waiting.size() && !within(bytes, frames, dropped); ++i) {
            if (waiting[i].give != Give::early) continue;
            drop(waiting[i]);
            ++dropped;
        }
    };
    if (lanes_) sweep((*lanes_)[2].frames, (*lanes_)[2].first);
    sweep(frames_, unsent());
    if (lanes_) sweep((*lanes_)[1].frames, (*lanes_)[1].first);
    if (lanes_) sweep((*lanes_)[0].frames, (*lanes_)[0].first);
    return close_gaps(dropped);
}

size_t SendQueue::drop_newest(size_t bytes, size_t frames) {
    size_t dropped = 0;
    const auto sweep = [&](auto& waiting, size_t from) {
        for (size_t i = waiting.size(); i-- > from && !within(bytes, frames, dropped);) {
            if (waiting[i].give != Give::late) continue;
            drop(waiting[i]);
            ++dropped;
        }
    };
    if (lanes_) sweep((*lanes_)[2].frames, (*lanes_)[2].first);
    if (lanes_) sweep((*lanes_)[1].frames, (*lanes_)[1].first);
    if (lanes_) sweep((*lanes_)[0].frames, (*lanes_)[0].first);
    sweep(frames_, unsent());
    return close_gaps(dropped);
}

size_t SendQueue::drop_older(int64_t age_ms, int64_t now_ms) {
    size_t dropped = 0;
    const auto sweep = [&](auto& waiting, size_t from) {
        for (size_t i = from; i < waiting.size(); ++i) {
            if (waiting[i].give == Give::never) continue;
            if (static_cast<int32_t>(static_cast<uint32_t>(now_ms) - waiting[i].since_ms) <= age_ms) continue;
            drop(waiting[i]);
            ++dropped;
        }
    };
    sweep(frames_, unsent());
    if (lanes_) {
        for (Lane& lane : *lanes_) sweep(lane.frames, lane.first);
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
    const auto close = [](auto& waiting, size_t from) {
        const auto start = waiting.begin() + static_cast<std::ptrdiff_t>(from);
        waiting.erase(std::remove_if(start, waiting.end(), [](const Waiting& one) { return !one.frame; }),
                      waiting.end());
    };
    close(frames_, first_);
    committed_ = std::min(committed_, frames_.size());
    if (lanes_) {
        for (Lane& lane : *lanes_) close(lane.frames, lane.first);
    }
    if (bytes_ == 0) clear();
    return dropped;
}

}  // namespace wayleave
