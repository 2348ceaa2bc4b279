#include "daemon/edge/doors.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wayleave {

Status Doors::prepare(std::vector<WorkerListener> listeners) {
    drop_prepared();
    for (WorkerListener& listener : listeners) {
        size_t side = Transports::plain;
        if (listener.tls) {
            auto added = parts_.transports.add_side(std::move(listener.side));
            if (!added) {
                drop_prepared();
                return failure(added.error());
            }
            side = *added;
        }
        prepared_.push_back({std::move(listener), side});
    }
    return success();
}

void Doors::drop_prepared() {
    for (const Prepared& one : prepared_)
        if (one.side != Transports::plain) parts_.transports.remove_side(one.side);
    prepared_.clear();
}

void Doors::open() {
    for (Prepared& one : prepared_) open(one.listener, one.side);
    prepared_.clear();
}

void Doors::open(WorkerListener& listener, size_t side) {
    Door& door = *doors_.emplace_back(std::make_unique<Door>());
    door.number = listener.number;
    door.side = side;
    // Here, behind the header of a proxy, which says nothing of whom the listener serves.
    Listener::Accepted accepted = [this, side, clients = listener.serves_clients, api = listener.serves_api](
                                      FileDescriptor socket, Peer peer) {
        peer.serves_clients = clients;
        peer.serves_api = api;
        adopt(std::move(socket), side, peer);
    };
    if (listener.proxy_protocol) accepted = through_proxy_header(door, std::move(accepted));
    for (FileDescriptor& socket : listener.sockets) {
        door.listeners.push_back(std::make_unique<Listener>(
            Listener::Parts{parts_.loop, parts_.quota, parts_.counters, reserve_, parts_.now, parts_.report},
            std::move(socket), listener.tls, parts_.accept_per_turn, accepted));
    }
}

void Doors::adopt(FileDescriptor socket, size_t side, const Peer& peer) {
    // A proxy that we trust stands for many.
    if (!parts_.quota.take_place(peer.ip,
                                 !parts_.runtime->settings.proxies.trusts_peer(peer.ip, peer.unix_socket)))
        return refuse_many(socket, side != Transports::plain, peer);
    parts_.transports.adopt(std::move(socket), side, peer);
}

// A proxy of ours says who is behind it; anybody else who comes to this listener is nobody's client.
Listener::Accepted Doors::through_proxy_header(Door& door, Listener::Accepted adopt) {
    door.room = std::make_unique<ProxyHeaderReader>(
        parts_.loop, parts_.header_patience_ms, std::move(adopt),
        [this](const Peer& peer, std::string_view reason) { refuse_proxy(peer, reason); });
    return [this, &room = *door.room](FileDescriptor socket, const Peer& peer) {
        if (parts_.runtime->settings.proxies.trusts_peer(peer.ip, peer.unix_socket))
            return room.enter(std::move(socket), peer, parts_.now.steady_ms);
        refuse_proxy(peer, "it is not in trusted_proxies");
    };
}

void Doors::refuse_proxy(const Peer& peer, std::string_view reason) {
    parts_.quota.leave();
    parts_.counters.proxy_refused.add();
    Event event{"proxy-refused",
                "a connection to a listener with proxy_protocol is refused: " + std::string(reason),
                Severity::warning};
    event.of_client = true;
    parts_.report(event.with("ip", peer.ip.text()));
}

void Doors::refuse_many(const FileDescriptor& socket, bool tls, const Peer& peer) {
    parts_.quota.leave();
    parts_.counters.accept_refused.add();
    refuse_socket(socket, tls);
    if (parts_.quota.may_report(parts_.now.steady_ms))
        parts_.report({"connections-of-source", parts_.quota.refusal(peer.ip), Severity::warning});
}

void Doors::close(std::span<const uint64_t> numbers) {
    const auto gone = std::stable_partition(doors_.begin(), doors_.end(), [&](const auto& door) {
        return std::find(numbers.begin(), numbers.end(), door->number) == numbers.end();
    });
    for (auto door = gone; door != doors_.end(); ++door) {
        for (const auto& listener : (*door)->listeners) listener->accept_rest();
        (*door)->listeners.clear();
    }
    closed_.insert(closed_.end(), std::make_move_iterator(gone), std::make_move_iterator(doors_.end()));
    doors_.erase(gone, doors_.end());
}

void Doors::close_all() {
    drop_prepared();
    for (auto* doors : {&doors_, &closed_}) {
        for (const auto& door : *doors) {
            door->listeners.clear();
            const size_t waiting = door->room ? door->room->waiting() : 0;
            for (size_t i = 0; i < waiting; ++i) parts_.quota.leave();
        }
        doors->clear();
    }
}

void Doors::replace(uint64_t number, const std::shared_ptr<const TlsSide>& tls) {
    for (const auto& door : doors_) {
        if (door->number == number && door->side != Transports::plain)
            parts_.transports.replace(door->side, tls);
    }
}

void Doors::tick() {
    for (auto* doors : {&doors_, &closed_}) {
        for (const auto& door : *doors)
            if (door->room) door->room->tick(parts_.now.steady_ms);
    }
    std::erase_if(closed_, [this](const auto& door) {
        if (door->room && door->room->waiting() > 0) return false;
        if (door->side != Transports::plain) parts_.transports.remove_side(door->side);
        return true;
    });
}

}  // namespace wayleave
