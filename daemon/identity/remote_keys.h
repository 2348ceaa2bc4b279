// Keys that are published at a URL (a JWKS): fetched off the loop, kept in memory, renewed. The last good set
// stays when a fetch fails. Shared by all policies that name the URL, so it outlasts reloads. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/identity/key_set.h"
#include "daemon/message/backend.h"

namespace wayleave {

struct RemoteKeysStatus {
    bool known = false;  // there is a set
    uint64_t fetched = 0;
    uint64_t failed = 0;
};

class RemoteKeys : public std::enable_shared_from_this<RemoteKeys> {
  public:
    // For the operator: the first set, a fetch that failed after one that did not, and the other way round.
    using Report = std::function<void(std::string_view event, const std::string& text, bool bad)>;
    struct Set {
        std::shared_ptr<const KeySet> keys;  // null: none yet
        uint64_t number = 0;                 // another one for each change
    };

    // `backends` is borrowed.
    static std::shared_ptr<RemoteKeys> create(std::string url, Backends& backends, Report report);

    [[nodiscard]] Set current() const;
    // Fetches if it is time. Call it every second or so.
    void refresh(Now now);
    // Whether it is worth to wait for a set with a key that the present one does not have: a fetch is under
    // way, or none was made for this reason within a minute.
    [[nodiscard]] bool may_renew(Now now) const;
    // Calls back when a fetch has ended, well or not; starts one if may_renew().
    void renew(Now now, std::function<void()> done);

    [[nodiscard]] RemoteKeysStatus status() const;

  private:
    RemoteKeys(std::string url, Backends& backends, Report report);
    void fetch();
    void arrived(const BackendAnswer& answer, Now now);
    [[nodiscard]] bool accept(const BackendAnswer& answer, Now now, std::string& text);

    const std::shared_ptr<const Backend> backend_;
    Backends& backends_;
    const Report report_;

    mutable std::mutex mutex_;
    Set set_;
    std::string text_;  // of the set: the same again changes nothing
    bool fetching_ = false;
    bool failing_ = false;
    int64_t due_ms_ = 0;            // steady
    int64_t asked_ms_ = INT64_MIN;  // for an unknown key
    uint64_t fetched_ = 0;
    uint64_t failed_ = 0;
    std::vector<std::function<void()>> waiting_;
};

}  // namespace wayleave
