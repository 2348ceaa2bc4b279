// The words that begin a statement, per kind of block: for the recovery after mistakes and for "did you
// mean".
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace wayleave::dsl {

using Words = std::span<const std::string_view>;

namespace keywords {

using namespace std::string_view_literals;

inline constexpr std::array item{"let"sv,      "token"sv, "backend"sv, "channel"sv, "policy"sv,
                                 "defaults"sv, "route"sv, "api"sv,     "test"sv};
inline constexpr std::array body{"allow"sv,  "deny"sv,  "limit"sv,   "ban"sv,    "let"sv,
                                 "use"sv,    "join"sv,  "message"sv, "stream"sv, "alias"sv,
                                 "notify"sv, "proxy"sv, "input"sv,   "errors"sv};
inline constexpr std::array message{"field"sv,       "set"sv,     "allow"sv, "deny"sv,
                                    "limit"sv,       "publish"sv, "reply"sv, "subscribe"sv,
                                    "unsubscribe"sv, "forward"sv, "let"sv};
inline constexpr std::array stream{"allow"sv, "deny"sv, "limit"sv, "let"sv};
inline constexpr std::array backend{"allow"sv, "deny"sv};
inline constexpr std::array token{"claim"sv, "from"sv};
inline constexpr std::array test{"as"sv, "expect"sv, "backend"sv, "at"sv, "let"sv};
inline constexpr std::array<std::string_view, 0> settings{};

[[nodiscard]] bool holds(Words list, std::string_view word);

}  // namespace keywords
}  // namespace wayleave::dsl
