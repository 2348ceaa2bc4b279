// Words of the language that stand in the syntax tree and in the compiled policy alike.
#pragma once

#include <cstdint>
#include <string_view>

namespace wayleave::dsl {

// `stream` is what a client does, and tests and explain ask about; no rule names it.
enum class Action : uint8_t { connect, subscribe, publish, presence, history, disconnect, message, stream };
[[nodiscard]] std::string_view to_string(Action action);

// What a `limit` counts.
enum class Meter : uint8_t { connects, connections, subscriptions, messages, bytes };
[[nodiscard]] std::string_view to_string(Meter meter);

// What becomes of who is refused.
enum class OutcomeKind : uint8_t { status, close, error, drop };

// Where a client brings a token or an input.
enum class SourceKind : uint8_t { query, header, cookie, subprotocol, certificate };

}  // namespace wayleave::dsl
