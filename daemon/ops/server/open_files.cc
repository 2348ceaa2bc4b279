#include "daemon/ops/server/open_files.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace wayleave {

namespace {

constexpr rlim_t spare = 64;         // log, control socket, admin address, reload, key files
constexpr rlim_t each_worker = 8;    // epoll, wake-ups, the reserve descriptor
constexpr rlim_t each_listener = 2;  // of each worker: its own, and one to hand on
// Without these nothing works, least of all telling so: standard streams, loop, control, admin, database.
constexpr rlim_t bare = 40;
// lws makes tables of 16 bytes for every descriptor that there may be, in each worker, and some systems have
// limits of a milliard.
constexpr rlim_t most_useful = 1U << 20U;

}  // namespace

Result<size_t> fit_open_files(const StartSettings& settings, size_t for_backends) {
    const rlim_t reserve =
        spare + for_backends + settings.workers * (each_worker + each_listener * settings.listeners.size());
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return failure(fmt::format("the limit on open files cannot be read: {}", std::strerror(errno)));
    }
    const rlim_t wanted = settings.max_connections > 0 ? settings.max_connections + reserve : most_useful;
    if (limit.rlim_cur < wanted || limit.rlim_cur > most_useful) {
        limit.rlim_cur = std::min(wanted, limit.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            return failure(fmt::format("the limit on open files cannot be set to {}: {}", limit.rlim_cur,
                                       std::strerror(errno)));
        }
    }
    const rlim_t least = bare + settings.workers * (each_worker + each_listener * settings.listeners.size());
    if (limit.rlim_cur < least) {
        return failure(
            fmt::format("the limit on open files is {}, and {} workers need {} at least; raise it "
                        "(LimitNOFILE= of the unit, ulimit -Hn), or set workers",
                        limit.rlim_cur, settings.workers, least));
    }
    if (settings.max_connections == 0) {
        // Even where the limit is tiny, something is served.
        return static_cast<size_t>(limit.rlim_cur - std::min(reserve, limit.rlim_cur / 2));
    }
    if (limit.rlim_cur < wanted) {
        return failure(
            fmt::format("max_connections = {} needs {} open files, and the limit is {}; lower it, or raise "
                        "the limit (LimitNOFILE= of the unit, ulimit -Hn)",
                        settings.max_connections, wanted, limit.rlim_cur));
    }
    return settings.max_connections;
}

}  // namespace wayleave
