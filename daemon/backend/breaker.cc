#include "daemon/backend/breaker.h"

namespace wayleave {

bool Breaker::admits(int64_t now_ms) const {
    return !open_ || (!trying_ && now_ms >= until_ms_);
}

void Breaker::started(int64_t now_ms) {
    if (open_ && now_ms >= until_ms_) trying_ = true;
}

bool Breaker::failed(const Backend& backend, int64_t now_ms) {
    ++failures_;
    const bool opens = !open_ && failures_ >= backend.break_after;
    // Requests that were under way when it opened do not prolong the break; the trial does.
    if (opens || trying_) until_ms_ = now_ms + backend.break_for_ms;
    open_ = open_ || opens;
    trying_ = false;
    return opens;
}

bool Breaker::succeeded() {
    const bool closes = open_;
    *this = Breaker();
    return closes;
}

}  // namespace wayleave
