#include "daemon/ops/load/start_files.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "daemon/ops/load/read_file.h"

namespace wayleave {

namespace {

constexpr size_t shortest_token = 16;

// As whom the daemon runs, or did so when it made its control socket; who looks may be another.
struct DaemonUser {
    uid_t uid = 0;
    std::vector<gid_t> groups;  // empty: nobody knows them
    std::string name;
};

std::optional<DaemonUser> daemon_user(const Settings& settings) {
    struct stat socket {};
    if (settings.control_socket.empty() || stat(settings.control_socket.c_str(), &socket) != 0 ||
        !S_ISSOCK(socket.st_mode))
        return std::nullopt;
    DaemonUser out{socket.st_uid, {}, std::to_string(socket.st_uid)};
    if (const passwd* known = getpwuid(socket.st_uid)) {
        out.name = known->pw_name;
        int count = 64;
        out.groups.resize(static_cast<size_t>(count));
        if (getgrouplist(known->pw_name, known->pw_gid, out.groups.data(), &count) < 0) count = 0;
        out.groups.resize(static_cast<size_t>(count));
    }
    return out;
}

bool may_write(const DaemonUser& user, const struct stat& what) {
    if (user.uid == 0) return true;
    if (what.st_uid == user.uid) return (what.st_mode & S_IWUSR) != 0;
    const bool member = user.groups.empty() ||
                        std::find(user.groups.begin(), user.groups.end(), what.st_gid) != user.groups.end();
    return (member && (what.st_mode & S_IWGRP) != 0) || (what.st_mode & S_IWOTH) != 0;
}

void look_at_user(const std::optional<DaemonUser>& user, const std::string& directory,
                  const struct stat& written, const std::string& where, StartFiles& out) {
    if (!user || may_write(*user, written)) return;
    const char* what = S_ISDIR(written.st_mode) ? "may not make it in " : "may not write it, in ";
    out.warnings.push_back(where + "the daemon's user, " + user->name + ", " + what + directory +
                           "; give it to that user, or name another");
}

// The daemon makes what a link leads to, where it can.
void look_at_link(const std::string& path, const std::string& where, StartFiles& out) {
    std::error_code error;
    if (!std::filesystem::is_symlink(path, error) || std::filesystem::exists(path, error)) return;
    auto target = std::filesystem::read_symlink(path, error);
    if (error) return;
    if (target.is_relative()) target = std::filesystem::path(path).parent_path() / target;
    const auto parent = target.parent_path();
    if (std::filesystem::is_directory(parent, error)) {
        out.warnings.push_back(
            where + "it is a link to " + target.string() +
            ", which is not there; the daemon would make it: correct the link if it is stale");
    } else {
        out.problems.push_back(where + "it is a link to " + target.string() +
                               ", and that directory is not there; correct the link");
    }
}

// Users' names stand in it, and whoever can replace the file says what was logged.
void look_at_log(const std::string& path, const std::optional<DaemonUser>& user, StartFiles& out) {
    const std::string where = "log.file: " + path + ": ";
    std::string directory = std::filesystem::path(path).parent_path().string();
    if (directory.empty()) directory = ".";
    struct stat of_directory {};
    if (stat(directory.c_str(), &of_directory) != 0) {
        const std::string remedy =
            errno == ENOENT ? "make it, for the daemon's user" : "check who may enter it";
        out.problems.push_back(where + "its directory: " + std::strerror(errno) + "; " + remedy);
        return;
    }
    if (!S_ISDIR(of_directory.st_mode)) {
        out.problems.push_back(where + "its directory is none; name another");
        return;
    }
    if ((of_directory.st_mode & S_IWOTH) != 0 && (of_directory.st_mode & S_ISVTX) == 0)
        out.warnings.push_back(where + "everybody can put another file there; chmod o-w " + directory);
    look_at_link(path, where, out);
    struct stat of_file {};
    const bool there = stat(path.c_str(), &of_file) == 0;
    look_at_user(user, directory, there ? of_file : of_directory, where, out);
    if (!there) return;  // it is made
    if (S_ISDIR(of_file.st_mode)) {
        out.problems.push_back(where + "it is a directory; name a file in it");
    } else if (S_ISSOCK(of_file.st_mode)) {
        out.problems.push_back(where + "it is a socket, which no log is written to; name a file");
    } else if (S_ISFIFO(of_file.st_mode)) {
        out.warnings.push_back(
            where +
            "it is a FIFO: the daemon starts only while somebody reads it, and what he is too "
            "slow for is lost; name a file");
    } else if (S_ISREG(of_file.st_mode) && (of_file.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        out.warnings.push_back(where +
                               "everybody can read or write it, and users' names stand in it; chmod 0640");
    }
}

}  // namespace

Result<std::string> read_console_token(const std::string& path) {
    const auto token = read_secret("admin.token_file", path);
    if (!token) return failure(token.error());
    const std::string where = "admin.token_file: " + path + ": ";
    const bool visible =
        std::all_of(token->begin(), token->end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (token->size() < shortest_token || !visible)
        return failure(where +
                       "a token has 16 visible characters at least; `openssl rand -hex 32` makes one");
    return *token;
}

StartFiles look_at_start_files(const Settings& settings) {
    StartFiles out;
    if (!settings.log_file.empty()) look_at_log(settings.log_file, daemon_user(settings), out);
    if (!settings.admin_token_file.empty()) {
        const auto token = read_console_token(settings.admin_token_file);
        if (!token) out.problems.push_back(token.error());
    }
    return out;
}

}  // namespace wayleave
