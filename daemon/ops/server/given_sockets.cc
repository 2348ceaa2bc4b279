#include "daemon/ops/server/given_sockets.h"

#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "daemon/base/escape.h"

namespace wayleave {

namespace {

constexpr size_t longest_name = 255;

// What sd_listen_fds_with_names() allocates.
class Names {
  public:
    Names() = default;
    ~Names() {
        for (char** name = names; name != nullptr && *name != nullptr; ++name) std::free(*name);  // NOLINT
        std::free(names);                                                                         // NOLINT
    }
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;

    char** names = nullptr;
};

}  // namespace

Result<GivenSockets, StartError> GivenSockets::of_service_manager() {
    Names names;
    const int count = sd_listen_fds_with_names(1, &names.names);
    if (count < 0)
        return refuse_start(EX_OSERR, std::string("the sockets of the service manager cannot be taken: ") +
                                          std::strerror(-count) + "; check LISTEN_FDS and LISTEN_FDNAMES");
    GivenSockets out;
    out.of_manager_ = count > 0;
    for (int i = 0; i < count; ++i) {
        const std::string name = names.names[i];
        const auto known = std::find_if(out.listeners_.begin(), out.listeners_.end(),
                                        [&](const GivenListener& one) { return one.name == name; });
        // A unit with several ListenStream= lines gives all of them one name.
        GivenListener& listener =
            known != out.listeners_.end() ? *known : out.listeners_.emplace_back(GivenListener{.name = name});
        listener.sockets.emplace_back(SD_LISTEN_FDS_START + i);
    }
    return out;
}

GivenListener GivenSockets::take(GivenListener::Use use, const std::string& name,
                                 const std::string& address) {
    const auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const GivenListener& one) {
        if (one.use != use && one.use != GivenListener::Use::any) return false;
        return one.name.empty() ? one.address == address : one.name == name;
    });
    if (found == listeners_.end()) return {};
    GivenListener taken = std::move(*found);
    listeners_.erase(found);
    return taken;
}

bool GivenSockets::has(GivenListener::Use use, const std::string& name) const {
    return std::any_of(listeners_.begin(), listeners_.end(), [&](const GivenListener& one) {
        return !name.empty() && one.name == name && (one.use == use || one.use == GivenListener::Use::any);
    });
}

void GivenSockets::drop_unnamed() {
    std::erase_if(listeners_, [](const GivenListener& one) { return one.name.empty(); });
}

Started GivenSockets::check_all_taken() const {
    const auto left = std::find_if(listeners_.begin(), listeners_.end(),
                                   [](const GivenListener& one) { return !one.name.empty(); });
    if (left == listeners_.end()) return Nothing{};
    const std::string name = escape_peer_text(left->name, longest_name);
    return refuse_start(EX_CONFIG, "the service manager passes a socket named \"" + name +
                                       "\", and nothing listens there, so that clients would wait for ever; "
                                       "write name = \"" +
                                       name + "\" in a [[listen]], or disable the socket unit");
}

}  // namespace wayleave
