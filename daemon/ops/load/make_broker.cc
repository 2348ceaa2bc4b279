#include "daemon/ops/load/make_broker.h"

#include <sysexits.h>

#include <string>
#include <utility>

#include "daemon/broker/memory/broker.h"
#include "daemon/broker/sqlite/broker.h"
#include "daemon/ops/log/log.h"

namespace wayleave {
namespace {

void report(bool bad, const std::string& message) {
    log_event(bad ? Level::error : Level::info, bad ? "broker-failed" : "broker-recovered", message);
}

}  // namespace

Result<std::unique_ptr<Broker>, StartError> make_broker(const StartSettings& settings, Now now) {
    if (settings.broker == "memory")
        return std::unique_ptr<Broker>(std::make_unique<MemoryBroker>(settings.broker_memory));
    auto opened = SqliteBroker::open({.path = settings.broker_path,
                                      .full = settings.broker_sync == "full",
                                      .most_file_bytes = settings.broker_max_database,
                                      .memory_bytes = settings.broker_memory,
                                      .most_waiting = settings.broker_max_waiting,
                                      .most_waiting_bytes = settings.broker_max_waiting_bytes},
                                     report, now);
    if (opened) return std::unique_ptr<Broker>(std::move(*opened));
    const OpenFailure& why = opened.error();
    return failure(StartError{why.may_pass ? EX_UNAVAILABLE : EX_CONFIG, "broker.path: " + why.text});
}

}  // namespace wayleave
