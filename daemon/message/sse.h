// What goes over a stream of Server-Sent Events (WHATWG HTML 9.2): the bytes of events, and the positions
// that an event's id carries, so that a browser's `Last-Event-ID` alone recovers every channel. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/message.h"

namespace wayleave {

// A comment, which no client sees: it keeps proxies from thinking that nobody is there.
constexpr std::string_view sse_heartbeat = ":\n\n";

// The id of the last event for a client that is not to come again: a browser that does, since it cannot be
// told, shows it, and is answered 204, after which it stops.
constexpr std::string_view sse_farewell_id = "end";

// One event. `text` is JSON; line ends in it (white space between its tokens) become lines of their own.
[[nodiscard]] std::string sse_event(std::string_view text);
// To stand before an event: its id, and how long the client is to wait before it comes again.
[[nodiscard]] std::string sse_id(std::string_view id);
[[nodiscard]] std::string sse_retry(int64_t ms);

// The head of the answer; what follows lasts until the connection ends. `extra_headers` are complete lines.
[[nodiscard]] std::string sse_response_head(std::string_view extra_headers);

// A channel's name as an id has it: 48 bits of its SHA-256.
[[nodiscard]] uint64_t channel_mark(std::string_view channel);

// How far a stream has come in each of its numbered channels.
class StreamPositions {
  public:
    struct Place {
        uint64_t mark = 0;  // see channel_mark
        Position position;

        friend bool operator==(const Place&, const Place&) = default;
    };

    // A mark that is not there yet. False: there is no room for more.
    bool add(uint64_t mark, Position position);
    // A channel that the stream's address does not name, so that who comes again is in it again. False: there
    // is no room for more. Places give way to names.
    bool add_name(std::string_view channel);
    [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
    [[nodiscard]] std::optional<Position> find(uint64_t mark) const;
    [[nodiscard]] bool empty() const { return places_.empty() && names_.empty(); }
    [[nodiscard]] const std::vector<Place>& places() const { return places_; }

    // The id of an event after which these are the positions, of at most most_id bytes: those for which there
    // is no room are left out, the ones that came last.
    [[nodiscard]] std::string id() const;
    // Nothing: no id of ours. It is the client's word, and says no more than `since` of `$subscribe` does.
    [[nodiscard]] static std::optional<StreamPositions> parse(std::string_view id);

    // About 115 channels. It comes back in a request's head, which takes 8 kB with cookies and tokens.
    static constexpr size_t most_id = 2048;
    static constexpr size_t most_name_bytes = 1024;  // of all names, each with a comma

  private:
    std::vector<Place> places_;       // in the order in which they came
    std::vector<std::string> names_;  // likewise
    size_t name_bytes_ = 0;
};

}  // namespace wayleave
