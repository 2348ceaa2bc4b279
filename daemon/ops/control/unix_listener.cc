#include "daemon/ops/control/unix_listener.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

namespace wayleave {

std::optional<uint32_t> group_number(const std::string& text) {
    gid_t number = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (wrong == std::errc{} && end == text.data() + text.size()) return number;
    const group* found = getgrnam(text.c_str());  // NOLINT: the main thread alone
    return found ? std::optional<uint32_t>(found->gr_gid) : std::nullopt;
}

namespace {

// Nobody can connect before listen(), so that the file may get its mode until then. 0: all is well, or errno.
int admit(const std::string& path, const UnixListener::Options& options) {
    if (!options.group.empty()) {
        const auto group = group_number(options.group);
        if (!group) return EINVAL;
        if (chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) return errno;
    }
    return chmod(path.c_str(), options.mode) == 0 ? 0 : errno;
}

std::string why_not_admitted(int code, const UnixListener::Options& options) {
    const std::string where = "check the group of " + std::string(options.setting);
    return code == EINVAL ? "there is no group " + options.group + "; " + where
                          : "the daemon must be a member of its group; " + where;
}

Failure<ListenError> error_at(const std::string& path, int code, std::string_view remedy) {
    std::string text = path + ": " + std::strerror(code) + "; ";
    return failure(ListenError{code, text.append(remedy)});
}

Result<sockaddr_un, ListenError> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return error_at(path, ENAMETOOLONG, "choose a shorter path");
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    return address;
}

}  // namespace

Result<Nothing, ListenError> UnixListener::check_unused(const std::string& path, const Options& options) {
    const std::string setting(options.setting);
    const auto address = address_of(path);
    if (!address) return failure(ListenError(address.error()));
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return Nothing{};
    if (!S_ISSOCK(info.st_mode))
        return error_at(path, EEXIST, "it is no socket; remove it or choose another " + setting);
    const FileDescriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int connected = connect(probe.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
    if (connected == 0 || errno == EAGAIN)
        return error_at(path, EADDRINUSE,
                        "another daemon answers there; stop it or choose another " + setting);
    if (errno != ECONNREFUSED) return error_at(path, errno, "check who owns it");
    return Nothing{};
}

Result<UnixListener, ListenError> UnixListener::open(const std::string& path, const Options& options) {
    const std::string setting(options.setting);
    const auto error = [&](int code, std::string_view remedy) { return error_at(path, code, remedy); };
    const auto address = address_of(path);
    if (!address) return failure(ListenError(address.error()));
    const auto* generic = reinterpret_cast<const sockaddr*>(&*address);

    std::error_code made;
    const auto parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, made);
    if (made) return error(made.value(), "its directory cannot be made; check " + setting);

    if (auto unused = check_unused(path, options); !unused) return failure(ListenError(unused.error()));
    unlink(path.c_str());  // a dead daemon's
    FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    // The mode that the file will have, set before there is one: at no moment can others connect.
    if (!fd.open() || fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 ||
        bind(fd.get(), generic, sizeof *address) != 0) {
        return error(errno, "check " + setting + " and who may write to its directory");
    }
    UnixListener bound(path, std::move(fd));  // removes the file where it comes to nothing
    if (const int wrong = admit(path, options); wrong != 0)
        return error(wrong, why_not_admitted(wrong, options));
    if (listen(bound.socket_.get(), options.backlog) != 0) return error(errno, "check " + setting);
    return bound;
}

Result<UnixListener, ListenError> UnixListener::adopt(const std::string& path, const Options& options) {
    if (const int wrong = admit(path, options); wrong != 0) {
        return failure(
            ListenError{wrong, path + ": " + std::strerror(wrong) + "; " + why_not_admitted(wrong, options)});
    }
    UnixListener adopted(path, FileDescriptor());
    adopted.leave_file();
    return adopted;
}

UnixListener::UnixListener(std::string path, FileDescriptor socket)
    : path_(std::move(path)), socket_(std::move(socket)) {
    struct stat info {};
    if (lstat(path_.c_str(), &info) != 0) return;
    device_ = info.st_dev;
    inode_ = info.st_ino;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_),
      owns_(other.owns_),
      socket_(std::move(other.socket_)) {}

bool UnixListener::stands() const {
    struct stat info {};
    return lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

bool UnixListener::is_missing() const {
    struct stat info {};
    return lstat(path_.c_str(), &info) != 0 && errno == ENOENT;
}

// What another has put there is not ours to remove.
UnixListener::~UnixListener() {
    if (owns_ && !path_.empty() && stands()) unlink(path_.c_str());
}

bool is_peer_of(int socket, std::optional<uint32_t> group) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    if (peer.uid == 0 || peer.uid == geteuid() || (group && peer.gid == *group)) return true;
    std::array<gid_t, 1024> groups{};
    size = sizeof groups;
    if (!group || getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) return false;
    return std::find(groups.begin(), groups.begin() + size / sizeof(gid_t), *group) !=
           groups.begin() + size / sizeof(gid_t);
}

}  // namespace wayleave
