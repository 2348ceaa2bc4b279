// What is counted about one backend: requests under way, failures in a row, and whether it is left alone for
// a while. Pure; time is steady.
#pragma once

#include <cstdint>

#include "daemon/message/backend.h"

namespace wayleave {

class Breaker {
  public:
    // Whether a request may be sent now. After a break one may, and its end decides.
    [[nodiscard]] bool admits(int64_t now_ms) const;
    void started(int64_t now_ms);
    // True if this failure opened it.
    [[nodiscard]] bool failed(const Backend& backend, int64_t now_ms);
    // True if this closed it.
    [[nodiscard]] bool succeeded();

    [[nodiscard]] bool open() const { return open_; }

  private:
    bool open_ = false;
    bool trying_ = false;  // the one request after a break is under way
    int64_t until_ms_ = 0;
    uint32_t failures_ = 0;  // in a row
};

}  // namespace wayleave
