#include "daemon/ops/server/hand_over.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/server/take_over.h"

namespace wayleave {

namespace {

std::string json_of(const GivenListener& listener, size_t number) {
    return fmt::format(R"({{"use":{},"listener":{},"name":{},"address":{}}})",
                       json_string(use_name(listener.use)), number, json_string(listener.name),
                       json_string(listener.address));
}

Failure<DeskError> no_descriptor() {
    return failure(
        DeskError{503, "no descriptor is left to give sockets away; raise LimitNOFILE= of the unit"});
}

}  // namespace

Result<OpsAnswer, DeskError> HandOver::begin() {
    if (line_.open())
        return failure(DeskError{409, "another daemon is about to take over; wait until it has, or end it"});
    std::array<int, 2> ends{-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return no_descriptor();
    FileDescriptor ours(ends[0]);
    const auto sockets = std::make_shared<std::vector<FileDescriptor>>();
    sockets->emplace_back(ends[1]);
    std::string list;
    std::vector<GivenListener> listeners = parts_.listeners();
    for (size_t i = 0; i < listeners.size(); ++i) {
        for (FileDescriptor& socket : listeners[i].sockets) {
            if (!socket.open()) return no_descriptor();
            sockets->push_back(std::move(socket));
            list += "," + json_of(listeners[i], i);
        }
    }
    line_ = std::move(ours);
    watcher_ = std::make_unique<IoWatcher>(parts_.loop, line_.get(), [this](int) { hear(); });
    watcher_->watch(EV_READ);
    log_event(Level::info, "hand-over", "another daemon takes over; going on until it is ready",
              {{"sockets", std::to_string(sockets->size() - 1)}});
    return OpsAnswer{
        200, "application/json", "{\"sockets\":[{\"use\":\"line\"}" + list + "]}\n", {}, sockets};
}

void HandOver::hear() {
    std::array<char, 64> room{};
    const ssize_t count = recv(line_.get(), room.data(), room.size(), 0);
    const std::string_view said(room.data(), count > 0 ? static_cast<size_t>(count) : 0);
    end();
    int64_t process = 0;
    if (said.starts_with(ready_word)) {
        (void)std::from_chars(said.data() + ready_word.size(), said.data() + said.size(), process);
        return parts_.done(process);
    }
    log_event(Level::warn, "hand-over-failed",
              "the daemon that wanted to take over has ended before it was ready; this one goes on");
}

void HandOver::end() {
    watcher_->watch(0);
    heard_ = std::move(watcher_);
    line_.close();
}

}  // namespace wayleave
