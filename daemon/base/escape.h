// Text from a peer, made harmless for a log line or a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wayleave {

// One line of printable UTF-8. Control bytes and invalid UTF-8 become \xNN; C1 controls, line separators and
// characters that reorder text become \u{NNNN}; a backslash is doubled, so that the original can be told. At
// most `max` bytes, then "…" if something was cut; no character or escape is cut in two.
[[nodiscard]] std::string escape_peer_text(std::string_view text, size_t max = 256);

// The same as one word: a blank becomes \x20, so that what a peer writes is no field of its own in a line of
// name=value.
[[nodiscard]] std::string escape_peer_word(std::string_view text, size_t max = 256);

// JSON as it may be shown on a terminal: what escape_peer_text() would not show becomes \uNNNN.
[[nodiscard]] std::string escape_json(std::string_view json);

}  // namespace wayleave
