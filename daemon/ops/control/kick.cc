#include "daemon/ops/control/kick.h"

#include <memory>
#include <utility>
#include <vector>

#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t longest_because = 120;  // a close frame holds 123 bytes
constexpr uint16_t not_welcome = 4403;
constexpr uint16_t come_again = 1012;
constexpr int64_t back_ms = 1000;
constexpr size_t sessions_at_once = 250;

}  // namespace

Result<Kick> kick_from(std::string_view body) {
    using enum Members::Kind;
    const auto members = Members::read(body, {{"who"},
                                              {"user"},
                                              {"session"},
                                              {"route"},
                                              {"ip"},
                                              {"channel"},
                                              {"because"},
                                              {"reconnect", flag},
                                              {"dry_run", flag}});
    if (!members) return failure(members.error());
    auto whom = session_filter(*members);
    if (!whom) return failure(whom.error());
    if (whom->names_nobody())
        return failure("say whom: who, user, session, route, ip or channel; `wayleave drain` sends all away");
    Kick out{std::move(*whom), members->text("because"), members->flag("reconnect"),
             members->flag("dry_run")};
    out.order = body;
    if (out.because.size() > longest_because) return failure("`because` has at most 120 bytes");
    return out;
}

void kick_sessions(WorkerQuestions& workers, const Kick& kick, std::function<void(Kicked)> then) {
    const auto counted = std::make_shared<SharedAnswer<uint64_t>>();
    const auto places = std::make_shared<std::vector<size_t>>(workers.workers());
    const Farewell farewell{kick.returns ? come_again : not_welcome, "disconnected", kick.because,
                            kick.returns ? back_ms : -1};
    workers.ask(
        [counted, places, kick, farewell](size_t worker, Gateway& gateway, Now now) {
            uint64_t chosen = 0;
            const bool all = gateway.end((*places)[worker], sessions_at_once,
                                         [&](const OpenConnection& open) {
                                             if (!kick.whom.admits(open)) return false;
                                             ++chosen;
                                             return !kick.dry_run;
                                         },
                                         farewell, now);
            const std::lock_guard lock(counted->mutex);
            counted->value += chosen;
            return all;
        },
        worker_patience_ms,
        [counted, then = std::move(then)](bool all) {
            const std::lock_guard lock(counted->mutex);
            then({counted->value, all});
        });
}

}  // namespace wayleave
