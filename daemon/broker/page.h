// Which messages make up a page, by what was asked for and what there is. Pure.
#pragma once

#include <cstdint>

#include "daemon/broker/memory/history.h"
#include "daemon/message/broker.h"

namespace wayleave {

struct PagePlan {
    uint64_t first = 0;  // the offset it begins with
    uint64_t asked = 0;  // so many, all of which are kept; upwards, or downwards
    uint64_t count = 0;  // of them: within the limit
    uint64_t after = 0;
    bool recovered = true;
};

[[nodiscard]] PagePlan plan_page(const Query& query, const Extent& extent);

// Without its messages.
[[nodiscard]] Page begin_page(const PagePlan& plan, Position top);

// Adds a message unless the page is full.
[[nodiscard]] bool add_to_page(Page& page, size_t& bytes, const Query& query, Publication message);

}  // namespace wayleave
