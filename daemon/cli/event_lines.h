// Events that the daemon tells of, as lines for a person. Pure.
#pragma once

#include <simdjson.h>

#include <string>

namespace wayleave {

// "12:03:00.123  message-refused  user ann, route app: …"; what the peer wrote is escaped.
[[nodiscard]] std::string event_line(const simdjson::dom::object& event);

// A refusal over several lines: what was asked, by whom, which line refused and what was known.
[[nodiscard]] std::string refusal_text(const simdjson::dom::object& event);

}  // namespace wayleave
