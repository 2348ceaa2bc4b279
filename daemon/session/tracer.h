// Tells of what the connections do that an operator watches: each message, delivery and refusal, without what
// stands in them. While nobody watches it costs a look at one flag. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/base/event.h"
#include "daemon/decision/counters.h"
#include "daemon/message/message.h"
#include "daemon/session/trace_filter.h"

namespace wayleave {

struct Channel;
struct Session;

class Tracer {
  public:
    // `out` is emptied by who passes the events on; `lost` counts those for which a turn has no room.
    Tracer(std::vector<Event>& out, Counter& lost) : out_(out), lost_(lost) {}

    // From now on; null or empty: nobody.
    void watch(std::shared_ptr<const TraceFilters> filters) {
        filters_ = std::move(filters);
        on_ = filters_ && !filters_->empty();
    }
    [[nodiscard]] bool on() const { return on_; }

    // An event about a client that was told of in another way, too. Call it only while on().
    void tell(const Event& event, const TraceFilter::Subject& subject);
    // What a client asks for, before it is decided.
    void received(const Session& session, std::string_view action, std::string_view target, size_t bytes);
    void delivered(const Channel& channel, std::span<const Publication> publications);
    // Out of a history, and from a backend by a stream. Call them only while on().
    void replayed(const Session& session, const Channel& channel, const Publication& publication);
    void streamed(const Session& session, std::string_view stream, size_t bytes);

  private:
    void put_delivery(const Session& session, const Channel& channel, const Publication& publication,
                      std::string_view what);
    [[nodiscard]] bool watches(const Session& session) const;
    void put(Event event);

    std::vector<Event>& out_;
    Counter& lost_;
    std::shared_ptr<const TraceFilters> filters_;
    bool on_ = false;
    uint64_t missed_ = 0;  // since the last that was told
};

}  // namespace wayleave
