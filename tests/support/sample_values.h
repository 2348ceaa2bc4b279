// Values of each type that meet each other often: few, and the awkward ones among them.
#pragma once

#include <string>

#include "dsl/policy/value.h"
#include "tests/support/choices.h"

namespace wayleave::tests {

// As it is written in a policy. Of one value; sets are written by who needs them.
[[nodiscard]] std::string sample_literal(dsl::Kind kind, Choices& choices);

// What a connection or a message may hold.
[[nodiscard]] dsl::Value sample_value(dsl::Type type, Choices& choices);

[[nodiscard]] std::string sample_channel(Choices& choices);
[[nodiscard]] std::string sample_segment(Choices& choices);
[[nodiscard]] std::string sample_message_type(Choices& choices);

}  // namespace wayleave::tests
