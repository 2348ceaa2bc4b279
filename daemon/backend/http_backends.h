// Backends over HTTP: libcurl's multi interface on one thread of its own. Bounded everywhere: requests under
// way by `concurrency`, those that wait, the answers, the time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/histogram.h"
#include "daemon/message/backend.h"

namespace wayleave {

struct BackendStatus {
    std::string name;
    uint64_t answered = 0;
    uint64_t failed = 0;   // no answer, or a 5xx: each attempt counts
    uint64_t refused = 0;  // not sent, since it was broken or too many waited
    uint64_t retried = 0;
    size_t running = 0;
    size_t waiting = 0;
    size_t bytes = 0;  // of requests that are not answered yet
    bool broken = false;
    HistogramReading time = {};  // of each attempt, answered or not
};

class HttpBackends final : public Backends {
  public:
    // For the operator: a backend is left alone, or answers again. Called on the helper thread.
    using Report = std::function<void(std::string_view event, const std::string& text, bool bad)>;

    explicit HttpBackends(Report report);
    ~HttpBackends() override;
    HttpBackends(const HttpBackends&) = delete;
    HttpBackends& operator=(const HttpBackends&) = delete;

    void send(BackendRequest request, Done done) override;
    [[nodiscard]] std::string identity_of(const BackendRequest& request, Now now) const override;
    // Ends the thread; those that still wait are told that there is no answer. Call it before they go.
    void stop();

    [[nodiscard]] std::vector<BackendStatus> status() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
