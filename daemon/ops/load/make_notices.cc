#include "daemon/ops/load/make_notices.h"

#include <algorithm>
#include <utility>

#include "daemon/edge/mailbox.h"
#include "daemon/notify/notice_store.h"
#include "daemon/ops/log/log.h"
#include "daemon/session/gateway.h"

namespace wayleave {
namespace {

void report_notices(bool bad, const std::string& text) {
    log_event(bad ? Level::warn : Level::info, bad ? "notice-failed" : "notice-recovered", text);
}

}  // namespace

void BackendDirectory::replace(std::vector<std::shared_ptr<const Backend>> backends) {
    const std::lock_guard lock(mutex_);
    backends_.swap(backends);
}

std::shared_ptr<const Backend> BackendDirectory::find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(backends_.begin(), backends_.end(),
                                 [&](const auto& backend) { return backend->name == name; });
    return it == backends_.end() ? nullptr : *it;
}

Result<std::unique_ptr<NoticeQueue>> make_notices(const StartSettings& settings, Backends& backends,
                                                  const BackendDirectory& directory,
                                                  const Exchange& exchange) {
    std::unique_ptr<NoticeStore> store;
    if (settings.broker == "sqlite") {
        auto opened = NoticeStore::open(settings.broker_path + ".notices", settings.broker_sync == "full");
        if (!opened) return failure("broker.path: " + opened.error());
        store = std::move(*opened);
    }
    const auto answered = [&exchange](const Notice& notice, const BackendAnswer& answer) {
        if (answer.body.empty()) return;
        const auto run = [from = notice.from, session = notice.session, backend = notice.backend, answer](
                             Gateway& gateway, Now now) {
            gateway.notice_answered(from, session, backend, answer, now);
            return true;
        };
        // One of the daemon before may name a worker that there is no more.
        if (!exchange.post(notice.worker, {.kind = Command::Kind::task, .work = run}))
            (void)exchange.post(0, {.kind = Command::Kind::task, .work = run});
    };
    return std::make_unique<NoticeQueue>(
        NoticeQueue::Parts{backends, [&directory](std::string_view name) { return directory.find(name); },
                           answered, report_notices, std::move(store)},
        NoticeQueue::Bounds{});
}

}  // namespace wayleave
