// Which connections an operator watches while they do something. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wayleave {

// All that is named must fit. One that names nothing fits everybody.
struct TraceFilter {
    std::string who = {};  // a user, a route, or a session as `$hello` writes it
    std::string user = {};
    std::string route = {};
    std::string rule = {};  // "chat.route:12", as in the log, with or without its column: fits refusals alone
    std::optional<uint64_t> session = {};

    // What is watched: of a session, or of a client that never became one.
    struct Subject {
        std::string_view user;  // empty: none, or its name is secret
        std::string_view route;
        uint64_t session = 0;
        std::string_view rule = {};
    };
    [[nodiscard]] bool fits(const Subject& subject) const;
    // Whether its connection may do something that fits, whatever the rule.
    [[nodiscard]] bool may_fit(const Subject& subject) const;
};

using TraceFilters = std::vector<TraceFilter>;

// Whether `rule` is the place, with or without its column.
[[nodiscard]] bool is_place(std::string_view rule, std::string_view place);

}  // namespace wayleave
