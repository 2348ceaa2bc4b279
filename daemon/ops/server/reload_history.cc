#include "daemon/ops/server/reload_history.h"

#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/ops/log/event_record.h"

namespace wayleave {
namespace {

constexpr size_t most_entries = 20;
constexpr size_t most_text = 16U << 10U;
constexpr size_t most_changes = 200;

}  // namespace

void ReloadHistory::add(ReloadEntry entry) {
    for (std::string* text : {&entry.text, &entry.difference})
        if (text->size() > most_text) *text = text->substr(0, most_text) + "\n…";
    if (entry.changes.size() > most_changes) {
        const size_t more = entry.changes.size() - most_changes;
        entry.changes.resize(most_changes);
        entry.changes.push_back("and " + std::to_string(more) + " more");
    }
    entries_.push_front(std::move(entry));
    if (entries_.size() > most_entries) entries_.pop_back();
}

std::string ReloadHistory::json() const {
    JsonArray out;
    for (const ReloadEntry& entry : entries_) {
        JsonObject one;
        one.add("time", time_text_of(entry.wall_ms)).add("done", entry.done).add("same", entry.same);
        one.add("generation", entry.generation).add("policy", entry.policy);
        out.raw(one.add("changes", entry.changes)
                    .add("difference", entry.difference)
                    .add("text", entry.text)
                    .text());
    }
    return JsonObject().add("reloads", out).text() + "\n";
}

}  // namespace wayleave
