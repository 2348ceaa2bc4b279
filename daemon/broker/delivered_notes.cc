#include "daemon/broker/delivered_notes.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_notes = 65'536;

// The length makes it one to one, whatever bytes are in the names.
std::string key_of(std::string_view channel, std::string_view user) {
    std::string key = std::to_string(channel.size());
    key.append(":").append(channel).append(user);
    return key;
}

}  // namespace

void DeliveredNotes::add(Cursor cursor) {
    std::string key = key_of(cursor.channel, cursor.user);
    const std::lock_guard lock(mutex_);
    const auto it = notes_.find(key);
    if (it == notes_.end()) {
        if (notes_.size() < most_notes) notes_.emplace(std::move(key), std::move(cursor));
        return;
    }
    Cursor& noted = it->second;
    const bool further =
        noted.position.epoch != cursor.position.epoch || noted.position.offset < cursor.position.offset;
    if (further) noted = std::move(cursor);
}

uint64_t DeliveredNotes::find(std::string_view channel, std::string_view user, uint64_t epoch) const {
    const std::lock_guard lock(mutex_);
    const auto it = notes_.find(key_of(channel, user));
    return it == notes_.end() || it->second.position.epoch != epoch ? 0 : it->second.position.offset;
}

std::vector<Cursor> DeliveredNotes::some(size_t most) const {
    std::vector<Cursor> out;
    const std::lock_guard lock(mutex_);
    for (const auto& [key, cursor] : notes_) {
        if (out.size() == most) break;
        out.push_back(cursor);
    }
    return out;
}

void DeliveredNotes::stored(const std::vector<Cursor>& cursors) {
    const std::lock_guard lock(mutex_);
    for (const Cursor& cursor : cursors) {
        const auto it = notes_.find(key_of(cursor.channel, cursor.user));
        if (it != notes_.end() && it->second.position == cursor.position) notes_.erase(it);
    }
}

}  // namespace wayleave
