// What the edge has to say to the operator. The log belongs to daemon/ops, which the edge does not know: it
// is given this function when it is made.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace wayleave {

enum class EdgeSeverity { info, warning, error };

struct EdgeEvent {
    EdgeSeverity severity = EdgeSeverity::info;
    std::string_view name;  // of the kind of event, in kebab-case
    std::string message;
};

// Called on any thread; must not block.
using EdgeReport = std::function<void(const EdgeEvent&)>;

}  // namespace wayleave
