// The queue of `notify`, as the settings want it: on disk beside an SQLite broker, else in memory.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/backend.h"
#include "daemon/notify/notice_queue.h"
#include "daemon/ops/settings/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

class Exchange;

// The backends of the policy in force, by name. Any thread.
class BackendDirectory {
  public:
    void replace(std::vector<std::shared_ptr<const Backend>> backends);
    [[nodiscard]] std::shared_ptr<const Backend> find(std::string_view name) const;

  private:
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<const Backend>> backends_;
};

// Borrows all but the settings. Error: a sentence that names the file.
Result<std::unique_ptr<NoticeQueue>> make_notices(const StartSettings& settings, Backends& backends,
                                                  const BackendDirectory& directory,
                                                  const Exchange& exchange);

}  // namespace wayleave
