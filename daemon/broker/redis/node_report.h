// What a node says of itself, as it stands in Redis. Whatever comes from there is read as hostile. Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/message/commons.h"
#include "dsl/text/result.h"

namespace wayleave {

// One JSON object.
[[nodiscard]] std::string write_node_report(const NodeReport& report);
[[nodiscard]] Result<NodeReport> read_node_report(std::string_view text);

// As a node's id is written: 12 hexadecimal digits.
[[nodiscard]] std::string node_text(uint64_t node);
[[nodiscard]] bool is_node_text(std::string_view text);

}  // namespace wayleave
