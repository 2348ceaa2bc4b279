// Bans of all nodes. Each node has all of them in its own table, where they are looked up; here they are told
// to the others, kept for those that come later, and written anew where Redis has lost them. On the broker's
// thread, but for what is told apart.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/message/commons.h"

namespace wayleave {

class RedisBans {
  public:
    RedisBans(RedisShared& shared, RedisCalls& calls) : shared_(shared), calls_(calls) {}

    // Any thread: who has the table.
    void hear(BanListener listener);

    struct Begin {
        CommonBan ban;
    };
    struct Lift {
        std::string key;
    };
    void begin(const Begin& begin);
    void lift(const Lift& lift);
    // What another node has told.
    void heard(std::string_view text);

    void ready();
    // What others tell comes from now on.
    void listening() { to_load_.store(true, std::memory_order_release); }
    void turn();
    void down() {
        ++stretch_;
        loading_ = false;
    }
    void forked() { forget_written(); }

    static constexpr char word = 'B';  // with which such a message begins

  private:
    struct Own {
        std::string text;
        int64_t until_ms = 0;  // below 0: it is to be lifted, and tried until then
        bool written = false;
        bool under_way = false;
    };

    void forget_written();
    void write(const std::string& key, Own& own);
    void load(size_t from);
    void loaded(size_t from, const RedisReply& reply);
    void forget_lifted();
    void note_other(const CommonBan& ban);
    void tell(const CommonBan& ban);

    RedisShared& shared_;
    RedisCalls& calls_;
    std::mutex mutex_;
    BanListener listener_;
    std::atomic<bool> to_load_{false};
    StringMap<Own> own_;  // that began here, or were lifted here: to be written, again if need be
    using Names = absl::flat_hash_set<std::string>;
    Names others_;  // that other nodes have told of; bounded
    Names found_;   // while all are loaded: those that there are
    bool loading_ = false;
    int64_t cleaned_ms_ = 0;
    bool some_wait_ = false;
    uint64_t stretch_ = 0;  // see RedisPresence
};

}  // namespace wayleave
