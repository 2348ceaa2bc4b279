// The policy in force at one worker, and what is left of its conditions for connections that answered alike:
// they share it. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>

#include "daemon/base/string_map.h"
#include "daemon/decision/message_book.h"
#include "daemon/decision/runtime.h"
#include "daemon/session/session.h"
#include "dsl/policy/evaluate.h"

namespace wayleave {

class Bindings {
  public:
    Bindings(std::shared_ptr<const Runtime> runtime, MessageBook& messages)
        : runtime_(std::move(runtime)), messages_(messages) {}

    [[nodiscard]] const Runtime& runtime() const { return *runtime_; }
    [[nodiscard]] const std::shared_ptr<const Runtime>& shared() const { return runtime_; }
    [[nodiscard]] const dsl::Policy& policy() const { return *runtime_->policy; }
    [[nodiscard]] const GatewaySettings& settings() const { return runtime_->settings; }

    [[nodiscard]] std::shared_ptr<const Binding> bind(const dsl::Route& route, const dsl::AtomBits& answers);
    void replace(std::shared_ptr<const Runtime> runtime);
    // Connections hold what they use, so that forgetting costs only the sharing.
    void forget() { bindings_.clear(); }

  private:
    [[nodiscard]] std::shared_ptr<const MessageCounters> counters_of(const dsl::Route& route);

    std::shared_ptr<const Runtime> runtime_;
    MessageBook& messages_;
    absl::flat_hash_map<const dsl::Route*, std::shared_ptr<const MessageCounters>> counters_;
    StringMap<std::shared_ptr<const Binding>> bindings_;  // by route and answers
};

}  // namespace wayleave
