#include "daemon/ops/control/why.h"

#include "daemon/base/json_writer.h"
#include "daemon/ops/control/members.h"

namespace wayleave {

namespace {

constexpr size_t most_refusals_listed = 1000;

}  // namespace

Result<WhyQuestion> why_question(std::string_view body) {
    const auto members = Members::read(body, {{"about"}, {"most", Members::Kind::number}});
    if (!members) return failure(members.error());
    WhyQuestion out{members->text("about")};
    if (const auto most = members->number("most")) out.most = *most;
    if (out.most == 0 || out.most > most_refusals_listed) return failure("`most` is from 1 to 1000");
    return out;
}

std::string why_json(const RefusalBook& book, const WhyQuestion& question) {
    const RefusalBook::Found found = book.find(question.about, question.most);
    JsonArray refusals;
    for (const EventRecord& record : found.records) refusals.raw(json_of(record));
    JsonObject out;
    out.add("refusals", refusals).add("count", found.all);
    if (found.since_wall_ms != 0) out.add("since", time_text_of(found.since_wall_ms));
    out.add("forgotten", book.totals().forgotten);
    return out.text() + "\n";
}

}  // namespace wayleave
