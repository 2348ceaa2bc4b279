// `wayleave trace` and `wayleave log`: what an operator watches for a while. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/edge/loop.h"
#include "daemon/ops/control/trace_book.h"
#include "daemon/ops/control/worker_questions.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// By members who, user, session, route and rule. Error: for the client.
class Members;
[[nodiscard]] Result<TraceFilter> trace_filter(const Members& members);

class Tracing {
  public:
    struct Refusal {
        int status = 400;
        std::string detail;
    };
    using ThenJson = std::function<void(Result<std::string, Refusal>)>;

    using PolicyInForce = std::function<const dsl::Policy&()>;

    // All are borrowed; the workers' events come to the book.
    Tracing(Loop& loop, WorkerQuestions& workers, TraceBook& book, PolicyInForce policy);

    // The body of POST /trace: members of a filter, one at least. {"trace":7}
    void begin(std::string_view body, const ThenJson& then);
    // The body of POST /trace/more: {"trace":7}. Waits for a few seconds until there is something:
    // {"events":[…],"lost":0}
    void more(std::string_view body, ThenJson then);
    // The body of POST /trace/stop: {"trace":7}
    void end(std::string_view body, const ThenJson& then);

    // The body of POST /log: `level` and `for_ms`, and members of a filter; without a filter it is about all
    // lines.
    void set_log(std::string_view body, const ThenJson& then);
    void reset_log(const ThenJson& then);
    // {"level":"info","filters":[{…,"left_ms"}]}
    [[nodiscard]] std::string log_json() const;

    void tick();  // each second: what nobody fetches, and what its time has ended, goes

  private:
    struct Waiting {
        uint64_t trace = 0;
        int64_t until_ms = 0;
        ThenJson then;
        bool known = false;  // there was such a trace when it was asked for
    };
    void look();
    void tell_workers();
    [[nodiscard]] bool answer(const Waiting& waiting, bool late);

    [[nodiscard]] Result<TraceFilter, Refusal> filter_of(const Members& members) const;

    WorkerQuestions& workers_;
    TraceBook& book_;
    const PolicyInForce policy_;
    Timer timer_;
    std::list<Waiting> waiting_;  // as many as there are connections of the control socket
    std::optional<int64_t> level_until_ms_;
};

}  // namespace wayleave
