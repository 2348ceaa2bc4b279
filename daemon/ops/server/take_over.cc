#include "daemon/ops/server/take_over.h"

#include <simdjson.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/edge/passed_descriptors.h"
#include "daemon/ops/control/unix_listener.h"
#include "daemon/protocol/response_head.h"

namespace wayleave {

namespace {

constexpr time_t patience_s = 30;
constexpr size_t most_bytes = 1 << 20;
constexpr size_t most_shown = 512;  // of what the other daemon says
constexpr std::string_view request =
    "POST /take-over HTTP/1.1\r\nHost: wayleave\r\nContent-Length: 0\r\n\r\n";

struct Answer {
    std::string text;
    std::vector<FileDescriptor> sockets;
};

Failure<StartError> refused(int code, const std::string& path, const std::string& why) {
    return refuse_start(code, "--take-over: " + path + ": " + why);
}

Failure<StartError> broken(const std::string& path, int error) {
    return refused(EX_UNAVAILABLE, path,
                   std::string(std::strerror(error)) + "; does the daemon run and answer wayleave status?");
}

Result<FileDescriptor, StartError> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return broken(path, ENAMETOOLONG);
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{patience_s, 0};
    if (!fd.open() || setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return broken(path, errno);
    // What it gives is listened on with our clients' trust.
    if (!is_peer_of(fd.get(), std::nullopt))
        return refused(EX_NOPERM, path,
                       "whoever listens there is neither root nor this user; nothing is taken");
    return fd;
}

Result<Answer, StartError> ask(const std::string& path) {
    const auto socket = connect_to(path);
    if (!socket) return failure(StartError(socket.error()));
    if (send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
        return broken(path, errno);
    Answer answer;
    std::array<char, 16384> room{};
    while (answer.text.size() < most_bytes) {
        const ssize_t count = receive_with_descriptors(*socket, room, answer.sockets);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return broken(path, errno);
        if (count == 0) return answer;
        answer.text.append(room.data(), static_cast<size_t>(count));
    }
    return refused(EX_PROTOCOL, path, "the answer is too long");
}

std::string text_of(const simdjson::dom::element& object, const char* name) {
    std::string_view out;
    return object[name].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
}

GivenListener::Use use_of(std::string_view name) {
    for (const auto use :
         {GivenListener::Use::clients, GivenListener::Use::admin, GivenListener::Use::control}) {
        if (use_name(use) == name) return use;
    }
    return GivenListener::Use::any;
}

// The first is the line; those that follow each other with one number are one listener's.
bool sort_in(const simdjson::dom::array& list, std::vector<FileDescriptor>& sockets, TakenOver& out) {
    if (list.size() != sockets.size() || sockets.empty()) return false;
    uint64_t last = UINT64_MAX;
    size_t i = 0;
    for (const simdjson::dom::element one : list) {
        FileDescriptor& socket = sockets[i++];
        if (i == 1) {
            if (text_of(one, "use") != "line") return false;
            out.line = std::move(socket);
            continue;
        }
        uint64_t number = 0;
        const GivenListener::Use use = use_of(text_of(one, "use"));
        if (one["listener"].get(number) != simdjson::SUCCESS || use == GivenListener::Use::any) return false;
        if (number != last) out.listeners.push_back({use, text_of(one, "name"), text_of(one, "address"), {}});
        last = number;
        out.listeners.back().sockets.push_back(std::move(socket));
    }
    return true;
}

}  // namespace

std::string_view use_name(GivenListener::Use use) {
    switch (use) {
        case GivenListener::Use::clients: return "clients";
        case GivenListener::Use::admin: return "admin";
        case GivenListener::Use::control: return "control";
        default: return "any";
    }
}

Result<TakenOver, StartError> take_over_from(const std::string& path) {
    if (path.empty())
        return refuse_start(
            EX_CONFIG,
            "--take-over asks the running daemon over its control socket, and control.socket is "
            "not set; set it, or end that daemon first");
    auto answer = ask(path);
    if (!answer) return failure(StartError(answer.error()));
    const auto strange = [&](const char* what) {
        return refused(EX_PROTOCOL, path,
                       std::string("the running daemon gives an answer that is not understood (") + what +
                           "); is it of another version?");
    };
    const auto parsed = parse_response_head(answer->text, {});
    const auto* head = std::get_if<ResponseHead>(&parsed);
    if (head == nullptr) return strange("no HTTP");
    const std::string_view body = std::string_view(answer->text).substr(head->size);
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    const bool json = parser.parse(body.data(), body.size()).get(document) == simdjson::SUCCESS;
    if (head->status != 200) {
        const std::string why =
            json ? text_of(document, "detail") : std::string(body.substr(0, body.find('\n')));
        return refused(head->status == 403 ? EX_NOPERM : EX_TEMPFAIL, path,
                       escape_peer_text(why, most_shown));
    }
    if (!json) return strange("no JSON");
    simdjson::dom::array list;
    TakenOver out;
    if (document["sockets"].get(list) != simdjson::SUCCESS || !sort_in(list, answer->sockets, out))
        return strange("the sockets");
    return out;
}

bool tell_ready(const FileDescriptor& line) {
    const std::string text = std::string(ready_word) + std::to_string(getpid());
    return send(line.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

}  // namespace wayleave
