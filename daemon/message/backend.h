// Requests to the user's own servers, as the core sees them. Implemented in daemon/backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/now.h"

namespace wayleave {

class SecretText;

// One server and how it is treated, as a `backend` block says. Immutable. What is counted about it (requests
// under way, failures in a row) goes by the name and outlasts a reload.
struct Backend {
    std::string name;
    std::string url;  // http:// or https://, without a slash at its end
    int64_t timeout_ms = 3000;
    uint32_t retries = 2;
    uint32_t concurrency = 64;
    uint32_t break_after = 5;
    int64_t break_for_ms = 10'000;
    std::shared_ptr<const SecretText> sign;  // null: requests are not signed
};

struct BackendRequest {
    std::shared_ptr<const Backend> backend;
    std::string method = "GET";        // only a GET is tried again
    std::string path;                  // behind the url
    std::vector<std::string> headers;  // "Name: value"; may hold secrets, so they are never logged
    std::string body;
    size_t max_answer = size_t{64} * 1024;
};

struct BackendAnswer {
    enum class Kind : uint8_t {
        answered,  // whatever the status
        failed,    // no answer, or one that is too large
        broken,    // not asked: it failed too often a moment ago
        full,      // not asked: too many wait already, or it waited too long
    };

    Kind kind = Kind::failed;
    int status = 0;
    std::string body;
    std::optional<int64_t> max_age_s;  // of Cache-Control
    std::string why;                   // a sentence for the log, without anything secret; if not answered
};

class Backends {
  public:
    using Done = std::function<void(BackendAnswer, Now)>;

    virtual ~Backends() = default;
    // Any thread; never blocks. `done` is called once, by a thread of the backends' own by that which stops
    // them, or by the caller's before send() returns.
    virtual void send(BackendRequest request, Done done) = 0;
};

}  // namespace wayleave
