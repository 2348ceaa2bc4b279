// Backends that answer when the test says.
#pragma once

#include <utility>
#include <vector>

#include "daemon/message/backend.h"

namespace wayleave::test {

class FakeBackends final : public Backends {
  public:
    void send(BackendRequest request, Done done) override {
        sent.emplace_back(std::move(request), std::move(done));
    }

    void answer(int status, const std::string& body, Now now, std::optional<int64_t> max_age_s = {}) {
        BackendAnswer answer;
        answer.kind = BackendAnswer::Kind::answered;
        answer.status = status;
        answer.body = body;
        answer.max_age_s = max_age_s;
        end(answer, now);
    }
    void fail(BackendAnswer::Kind kind, Now now) {
        BackendAnswer answer;
        answer.kind = kind;
        answer.why = "nobody is there";
        end(answer, now);
    }

    std::vector<std::pair<BackendRequest, Done>> sent;

  private:
    void end(const BackendAnswer& answer, Now now) {
        const auto all = std::exchange(sent, {});
        for (const auto& [request, done] : all) done(answer, now);
    }
};

}  // namespace wayleave::test
