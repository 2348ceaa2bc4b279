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

// `body` of a `backend` block: how a message is sent to it.
enum class BackendBody : uint8_t {
    envelope,  // in an object that says who sent it
    message,   // as the client sent it, for an endpoint that was there before
};

// One server and how it is treated, as a `backend` block says. Immutable. What is counted about it (requests
// under way, failures in a row) goes by the name and outlasts a reload.
struct Backend {
    std::string name;
    std::string url;     // http:// or https://, without a slash at its end
    std::string socket;  // path of a Unix socket that it is reached by; empty: TCP
    int64_t timeout_ms = 3000;
    uint32_t retries = 2;
    uint32_t concurrency = 64;
    uint32_t break_after = 5;
    int64_t break_for_ms = 10'000;
    BackendBody body = BackendBody::envelope;
    // The first is the one that is in use; the others are accepted still, or already. Empty: not signed.
    std::vector<std::shared_ptr<const SecretText>> sign = {};
    std::vector<std::string> pass_cookies = {};  // of clients: names
};

struct BackendRequest {
    std::shared_ptr<const Backend> backend;
    // Names it to the backend: the same at each attempt, so that what has an id can be tried again, as a GET
    // can. Visible ASCII.
    std::string id = {};
    std::string method = "GET";
    std::string path;                  // behind the url
    std::vector<std::string> headers;  // "Name: value"; may hold secrets, so they are never logged
    std::string body;
    // Members of a JSON object: what the signed header Wayleave-Identity says; empty: it is not sent.
    std::string identity = {};
    size_t max_answer = size_t{64} * 1024;
    // Somebody waits at the door for the answer: it goes before what those say who are in, who leave a part
    // of the backend's `concurrency` free for it.
    bool question = false;
};

struct BackendAnswer {
    enum class Kind : uint8_t {
        answered,  // whatever the status
        failed,    // no answer, or one that is too large
        broken,    // not asked: it failed too often a moment ago
        full,      // not asked: too many wait already, or it waited too long
    };

    Kind kind = Kind::failed;
    bool too_large = false;  // of one that failed: to ask again would bring the same
    int status = 0;
    std::string body;
    std::string content_type = {};              // in lower case, without parameters
    std::optional<int64_t> max_age_s;           // of Cache-Control
    std::optional<int64_t> retry_after_s = {};  // of Retry-After, if it is a number
    std::string why;  // a sentence for the log, without anything secret; if not answered
};

class Backends {
  public:
    using Done = std::function<void(BackendAnswer, Now)>;

    virtual ~Backends() = default;
    // Any thread; never blocks. `done` is called once, by a thread of the backends' own by that which stops
    // them, or by the caller's before send() returns.
    virtual void send(BackendRequest request, Done done) = 0;
    // What Wayleave-Identity says for a request that somebody else sends. Any thread; empty where it cannot
    // be signed.
    [[nodiscard]] virtual std::string identity_of(const BackendRequest& request, Now now) const;
};

inline std::string Backends::identity_of(const BackendRequest&, Now) const {
    return {};
}

}  // namespace wayleave
