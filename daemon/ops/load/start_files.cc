#include "daemon/ops/load/start_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "daemon/ops/load/read_file.h"

namespace wayleave {

namespace {

constexpr size_t shortest_token = 16;

// Users' names stand in it, and whoever can replace the file says what was logged.
void look_at_log(const std::string& path, StartFiles& out) {
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
    struct stat of_file {};
    if (stat(path.c_str(), &of_file) != 0) return;  // it is made
    if (S_ISDIR(of_file.st_mode)) {
        out.problems.push_back(where + "it is a directory; name a file in it");
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
    if (!settings.log_file.empty()) look_at_log(settings.log_file, out);
    if (!settings.admin_token_file.empty()) {
        const auto token = read_console_token(settings.admin_token_file);
        if (!token) out.problems.push_back(token.error());
    }
    return out;
}

}  // namespace wayleave
