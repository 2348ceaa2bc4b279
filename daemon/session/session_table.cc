#include "daemon/session/session_table.h"

namespace wayleave {

Session& SessionTable::open() {
    if (free_.empty()) {
        free_.push_back(static_cast<uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = slots_[index];
    ++slot.generation;
    slot.session = std::make_unique<Session>();
    slot.session->id = {index, slot.generation};
    return *slot.session;
}

void SessionTable::close(ConnectionId id) {
    if (!find(id)) return;
    slots_[id.index].session.reset();
    free_.push_back(id.index);
}

Session* SessionTable::find(ConnectionId id) const {
    if (id.index >= slots_.size()) return nullptr;
    const Slot& slot = slots_[id.index];
    return slot.generation == id.generation ? slot.session.get() : nullptr;
}

}  // namespace wayleave
