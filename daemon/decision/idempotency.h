// Requests that were answered already, by the key that their sender gave them
// (draft-ietf-httpapi-idempotency-key-header): a repetition gets the first answer, and nothing is done again.
// Thread-safe. Bounded: when it is full, the oldest go.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/base/string_map.h"

namespace wayleave {

class IdempotencyTable {
  public:
    static constexpr size_t longest_key = 255;

    explicit IdempotencyTable(int64_t keep_ms = 24 * 3'600'000, size_t most_keys = 100'000,
                              size_t most_bytes = 64 << 20)
        : keep_ms_(keep_ms), most_keys_(most_keys), most_bytes_(most_bytes) {}

    struct Fresh {};    // it is to be done, and finish() or forget() called then
    struct Running {};  // the first is not answered yet
    struct Other {};    // the key was another request's
    struct Known {
        std::string answer;
    };
    using Begun = std::variant<Fresh, Running, Other, Known>;

    // `scope` is whose key it is; `digest` tells one body from another.
    [[nodiscard]] Begun begin(std::string_view scope, std::string_view key, std::string_view digest,
                              int64_t now_ms);
    // It was done.
    void finish(std::string_view scope, std::string_view key, std::string answer);
    // It was not done, so that it may be tried again.
    void forget(std::string_view scope, std::string_view key);

    [[nodiscard]] size_t bytes() const;
    [[nodiscard]] size_t keys() const;

  private:
    struct Entry {
        std::string digest;
        std::string answer;
        int64_t until_ms = 0;
        uint64_t number = 0;
        bool running = true;
    };
    void make_room(int64_t now_ms);
    void erase(const std::string& name);

    const int64_t keep_ms_;
    const size_t most_keys_;
    const size_t most_bytes_;
    mutable std::mutex mutex_;
    StringMap<Entry> entries_;
    std::map<uint64_t, std::string> order_;  // their names, as they were begun
    uint64_t begun_ = 0;
    size_t bytes_ = 0;
};

}  // namespace wayleave
