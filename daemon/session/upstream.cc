#include "daemon/session/upstream.h"

#include <algorithm>
#include <cstring>

namespace wayleave {
namespace {

constexpr uint32_t most_fragments = 1024;
constexpr size_t most_unsent_pongs = 4096;  // bytes that wait before a ping is left unanswered

}  // namespace

void Upstream::begin(std::string_view path, std::string_view host, std::string_view headers) {
    std::array<uint8_t, 16> bytes{};
    for (size_t i = 0; i < bytes.size(); i += 8) {
        const uint64_t word = random_();
        std::memcpy(bytes.data() + i, &word, 8);
    }
    key_ = websocket_key(bytes);
    out_.text() = upgrade_request(path, host, key_, headers);
}

UpstreamEvent Upstream::read(std::span<char>& input, size_t most) {
    if (state_ == State::shaking) return read_answer(input);
    const WebSocketLimits limits{most, most_fragments, nullptr, true};
    for (bool again = true; again;) {
        again = false;
        UpstreamEvent event = handle(decoder_.next(input, limits), again);
        if (!again) return event;
    }
    return UpstreamNeedsMore{};
}

// What follows the head are frames already.
UpstreamEvent Upstream::read_answer(std::span<char>& input) {
    if (input.empty()) return UpstreamNeedsMore{};
    const size_t before = head_.size();
    head_.append(input.data(), input.size());
    const auto answer = read_upgrade_answer(head_, key_);
    if (std::holds_alternative<NeedMore>(answer)) {
        input = {};
        return UpstreamNeedsMore{};
    }
    const auto* accepted = std::get_if<UpgradeAccepted>(&answer);
    input = input.subspan(accepted ? accepted->size - before : input.size());
    std::string().swap(head_);
    state_ = accepted ? State::open : State::closed;
    if (!accepted) return std::get<UpgradeRefused>(answer);
    return UpstreamOpened{};
}

// `again`: it was nothing that others care for.
UpstreamEvent Upstream::handle(const WsEvent& event, bool& again) {
    if (std::holds_alternative<WsNeedMore>(event) || state_ == State::closed) return UpstreamNeedsMore{};
    if (const auto* message = std::get_if<WsMessage>(&event)) {
        if (state_ == State::open) return UpstreamMessage{message->binary, message->payload};
        again = true;
        return UpstreamNeedsMore{};
    }
    if (const auto* close = std::get_if<WsClose>(&event)) {
        UpstreamClosed out{close->code, std::string(close->reason)};
        // Its own words come back to it, unless it answers ours (RFC 6455 5.5.1).
        if (state_ == State::open) send(Opcode::close, close_payload(close->code, {}));
        state_ = State::closed;
        return out;
    }
    if (const auto* error = std::get_if<WsError>(&event)) {
        if (state_ == State::open) send(Opcode::close, close_payload(error->code, error->reason));
        state_ = State::closed;
        return UpstreamClosed{error->code == 1009 ? error->code : uint16_t{1006}, std::string(error->reason)};
    }
    // A flood of pings must not fill our memory, and who reads no pong misses none.
    const auto* ping = std::get_if<WsPing>(&event);
    if (ping && output().size() < most_unsent_pongs) send(Opcode::pong, ping->payload);
    again = true;
    return UpstreamNeedsMore{};
}

void Upstream::send(Opcode opcode, std::string_view payload) {
    append_client_frame(out_.text(), opcode, payload, static_cast<uint32_t>(random_()));
}

void Upstream::close(uint16_t code, std::string_view reason) {
    if (state_ != State::open) return;
    send(Opcode::close, close_payload(code, reason));
    state_ = State::closing;
}

}  // namespace wayleave
