#include "daemon/broker/page.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

PagePlan plan_downwards(const Query& query, const Extent& extent) {
    PagePlan plan;
    const uint64_t all = extent.top.offset + 1;
    plan.recovered = !query.since || query.since->epoch == extent.top.epoch;
    plan.after = query.since && plan.recovered ? std::min(query.since->offset, all) : all;
    plan.first = plan.after - 1;
    const PageStart floor = lowest(query, extent);
    plan.recovered = plan.recovered && floor.recovered;
    plan.asked = plan.after > floor.after + 1 ? plan.after - floor.after - 1 : 0;
    return plan;
}

}  // namespace

PagePlan plan_page(const Query& query, const Extent& extent) {
    PagePlan plan;
    if (query.reverse) {
        plan = plan_downwards(query, extent);
    } else {
        const PageStart start = page_start(query, extent);
        plan = {start.after + 1, extent.top.offset - start.after, 0, start.after, start.recovered};
    }
    plan.count = std::min<uint64_t>(plan.asked, query.limit);
    return plan;
}

Page begin_page(const PagePlan& plan, Position top) {
    Page page;
    page.top = top;
    page.after = plan.after;
    page.recovered = plan.recovered;
    page.more = plan.asked > plan.count;
    return page;
}

bool add_to_page(Page& page, size_t& bytes, const Query& query, Publication message) {
    bytes += message->frame.payload().size();
    if (bytes > query.bytes && !page.messages.empty()) {
        page.more = true;
        return false;
    }
    page.messages.push_back(std::move(message));
    return true;
}

}  // namespace wayleave
