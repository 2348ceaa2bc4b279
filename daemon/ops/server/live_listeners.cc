#include "daemon/ops/server/live_listeners.h"

#include <sysexits.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "daemon/ops/log/log.h"
#include "daemon/protocol/http_head.h"

namespace wayleave {

namespace {

constexpr int64_t prepare_wait_ms = 10'000;

// What a service manager has bound is known by its name, whatever the address says. A port that the kernel
// has chosen may be written down afterwards.
bool is_at(const OpenListener& open, const ListenerSettings& next) {
    if (open.passed) return open.settings.name == next.name;
    return open.settings.place() == next.place() || open.shown == shown_as(next, open.tls != nullptr);
}

// The workers have to treat those who come there in another way.
bool differs(const OpenListener& open, const ListenerSettings& next, bool tls) {
    const ListenerSettings& own = open.settings;
    return (open.tls != nullptr) != tls || own.proxy_protocol != next.proxy_protocol ||
           own.serves("clients") != next.serves("clients") || own.serves("api") != next.serves("api");
}

// Of an open one, which may be bound to several addresses, as it will be called.
std::string with_scheme(std::string_view shown, bool tls) {
    std::string out;
    std::string_view part;
    for (bool more = true; next_part(shown, ',', more, part);) {
        if (!out.empty()) out.append(", ");
        const size_t scheme = part.find("://");
        if (scheme != std::string_view::npos) out.append(tls ? "https" : "http");
        out.append(scheme == std::string_view::npos ? part : part.substr(scheme));
    }
    return out;
}

// What a reload leaves as it was.
ListenerSettings as_opened(const ListenerSettings& open, ListenerSettings next) {
    next.mode = open.mode;
    next.group = open.group;
    next.ipv6only = open.ipv6only;
    return next;
}

Failure<StartError> out_of_turn(const char* why) {
    return refuse_start(EX_TEMPFAIL, std::string("listeners are to change, and ") + why);
}

void tell(const ListenerChanges& changes) {
    for (const std::string& shown : changes.added)
        log_event(Level::info, "listening", "listening on " + shown, {{"address", shown}});
    for (const std::string& shown : changes.changed)
        log_event(Level::info, "listening", "listening on " + shown + " with other settings",
                  {{"address", shown}});
    for (const std::string& shown : changes.removed)
        log_event(Level::info, "listening-ended",
                  "not listening on " + shown + " any more; its connections go on", {{"address", shown}});
}

void warn_of_kept(const std::string& name) {
    log_event(Level::warn, "socket-unused",
              "nobody listens any more at the socket that the service manager passes as " + name +
                  ", and clients wait there for ever; stop its socket unit and restart, or name it again",
              {{"name", name}});
}

}  // namespace

Started LiveListeners::open(const Tls& tls) {
    auto opened = open_listeners(parts_.settings, tls, parts_.given);
    if (!opened) return failure(StartError(opened.error()));
    open_ = std::move(*opened);
    for (OpenListener& listener : open_) listener.number = ++last_number_;
    // Where a daemon before has listened and this one is not to: clients would wait there.
    parts_.given.drop_unnamed();
    return Nothing{};
}

NextListeners LiveListeners::compare(const StartSettings& next, const Tls& tls) const {
    NextListeners out;
    std::vector<bool> stays(open_.size());
    for (size_t i = 0; i < next.listeners.size(); ++i) {
        NextListeners::One one{{}, {}, next.listeners[i]};
        for (size_t k = 0; k < open_.size() && !one.now; ++k)
            if (!stays[k] && is_at(open_[k], one.settings)) one.now = k;
        if (!one.now) {
            out.changes.added.push_back(shown_as(one.settings, tls[i] != nullptr));
        } else {
            stays[*one.now] = true;
            const OpenListener& open = open_[*one.now];
            one.lost = open.file && open.file->is_missing();
            const bool anew = differs(open, one.settings, tls[i] != nullptr);
            if (anew || one.lost) out.ending.push_back(*one.now);
            if (one.lost) {
                out.changes.added.push_back(open.shown);
            } else if (anew) {
                out.changes.changed.push_back(with_scheme(open.shown, tls[i] != nullptr));
            }
        }
        out.all.push_back(std::move(one));
    }
    for (size_t k = 0; k < open_.size(); ++k) {
        if (stays[k]) continue;
        out.ending.push_back(k);
        out.changes.removed.push_back(open_[k].shown);
    }
    return out;
}

// With SO_REUSEPORT our own sockets share a port with each other, as they do at a start.
Started LiveListeners::check_free(const NextListeners& next) const {
    for (const NextListeners::One& one : next.all) {
        if (one.now) continue;
        const bool given = parts_.given.has(GivenListener::Use::clients, one.settings.name);
        const bool shared = std::any_of(open_.begin(), open_.end(), [&](const OpenListener& open) {
            return !open.passed && have_one_port(open.settings, one.settings);
        });
        if (auto can = check_openable(one.settings, given, shared); !can) return can;
    }
    return Nothing{};
}

Result<ListenerChanges, StartError> LiveListeners::foresee(const StartSettings& next, const Tls& tls) {
    NextListeners out = compare(next, tls);
    if (auto free = check_free(out); !free) return failure(StartError(free.error()));
    return std::move(out.changes);
}

Result<OpenListener, StartError> LiveListeners::open_one(const ListenerSettings& own,
                                                         const std::shared_ptr<const TlsSide>& tls) {
    GivenListener found;
    if (!own.name.empty()) found = parts_.given.take(GivenListener::Use::clients, own.name, {});
    auto opened = open_listener(own, tls, std::move(found), parts_.settings);
    if (opened) opened->number = ++last_number_;
    return opened;
}

// On an error the sockets that were opened close.
Started LiveListeners::open_new(NextListeners& next, const Tls& tls) {
    next.changes.added.clear();  // the kernel may have chosen a port
    next.changes.changed.clear();
    for (size_t i = 0; i < next.all.size(); ++i) {
        NextListeners::One& one = next.all[i];
        if (!one.now || one.lost) {
            auto opened = open_one(one.settings, tls[i]);
            if (!opened) return failure(StartError(opened.error()));
            next.changes.added.push_back(opened->shown);
            one.opened.emplace(std::move(*opened));
        } else if (differs(open_[*one.now], one.settings, tls[i] != nullptr)) {
            auto again =
                open_again(open_[*one.now], as_opened(open_[*one.now].settings, one.settings), tls[i]);
            if (!again) return failure(StartError(again.error()));
            again->number = ++last_number_;
            next.changes.changed.push_back(again->shown);
            one.opened.emplace(std::move(*again));
        }
    }
    return Nothing{};
}

Result<std::shared_ptr<NextListeners>, StartError> LiveListeners::prepare(const StartSettings& next,
                                                                          const Tls& tls) {
    auto out = std::make_shared<NextListeners>(compare(next, tls));
    if (out->changes.none()) return out;
    if (parts_.handing_over()) return out_of_turn("another daemon is about to take over; reload that one");
    if (auto free = check_free(*out); !free) return failure(StartError(free.error()));
    if (auto opened = open_new(*out, tls); !opened) {
        give_up(*out);
        return failure(StartError(opened.error()));
    }
    return out;
}

void LiveListeners::offer(const NextListeners& next, std::function<void(Status)> then) {
    std::vector<std::vector<WorkerListener>> shares(parts_.workers.size());
    size_t opened = 0;
    for (const NextListeners::One& one : next.all) {
        if (!one.opened) continue;
        ++opened;
        for (size_t i = 0; i < shares.size(); ++i) {
            auto share = listener_of_worker(*one.opened, i, shares.size());
            if (!share) return then(failure(share.error().text));
            shares[i].push_back(std::move(*share));
        }
    }
    if (opened == 0) return then(success());
    const uint64_t number =
        pending_.add(prepare_wait_ms, [then = std::move(then)](std::optional<Status> ready) {
            then(ready ? *ready : failure("a worker does not answer, so nobody could come in there"));
        });
    // The first that fails answers for all.
    const auto left = std::make_shared<std::atomic<size_t>>(shares.size());
    for (size_t i = 0; i < shares.size(); ++i) {
        parts_.workers[i]->prepare(std::move(shares[i]), [this, number, left](Status ready) {
            if (ready && --*left > 0) return;
            parts_.calls.post([this, number, ready = std::move(ready)] { pending_.answer(number, ready); });
        });
    }
}

void LiveListeners::give_up(NextListeners& next) {
    bool offered = false;
    for (NextListeners::One& one : next.all) {
        if (!one.opened) continue;
        offered = true;
        if (one.opened->passed && !one.now) parts_.given.give_back(to_give_back(std::move(*one.opened)));
        one.opened.reset();
    }
    if (!offered) return;
    for (const auto& worker : parts_.workers) worker->settle(false, {});
}

// Our own descriptors close before the workers' ones: who comes in between is still accepted.
void LiveListeners::put_in_force(NextListeners& next, const Tls& tls) {
    std::vector<uint64_t> closed;
    for (const size_t ending : next.ending) closed.push_back(open_[ending].number);
    OpenListeners list;
    for (size_t i = 0; i < next.all.size(); ++i) {
        NextListeners::One& one = next.all[i];
        if (one.opened) {
            list.push_back(std::move(*one.opened));
            if (one.now && !one.lost) list.back().take_file(open_[*one.now]);
        } else {
            list.push_back(std::move(open_[*one.now]));
            list.back().settings = as_opened(list.back().settings, one.settings);
            list.back().tls = tls[i];
        }
    }
    std::vector<bool> used(open_.size());
    for (const NextListeners::One& one : next.all)
        if (one.now) used[*one.now] = true;
    for (size_t k = 0; k < open_.size(); ++k) {
        if (used[k] || !open_[k].passed) continue;
        warn_of_kept(open_[k].settings.name);
        parts_.given.give_back(to_give_back(std::move(open_[k])));
    }
    open_ = std::move(list);
    if (next.changes.none()) return;
    for (const auto& worker : parts_.workers) worker->settle(true, closed);
    tell(next.changes);
}

Worker::TlsSides LiveListeners::sides() const {
    Worker::TlsSides out;
    for (const OpenListener& listener : open_)
        if (listener.tls) out.push_back({listener.number, listener.tls});
    return out;
}

void LiveListeners::own_files() {
    for (OpenListener& listener : open_)
        if (listener.file) listener.file->own_file();
}

void LiveListeners::leave_files() {
    for (OpenListener& listener : open_)
        if (listener.file) listener.file->leave_file();
}

std::vector<ListenerSettings> LiveListeners::settings() const {
    std::vector<ListenerSettings> out;
    for (const OpenListener& listener : open_) out.push_back(listener.settings);
    return out;
}

}  // namespace wayleave
