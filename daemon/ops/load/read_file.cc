#include "daemon/ops/load/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/edge/socket.h"

#include "daemon/identity/credential_file.h"

namespace wayleave {

namespace {

Failure<std::string> reason(int error) {
    return failure(std::string(std::strerror(error)));
}

Result<std::string> read_open(const FileDescriptor& file, size_t most) {
    struct stat info {};
    if (!file.open() || fstat(file.get(), &info) != 0) return reason(errno);
    if (!S_ISREG(info.st_mode)) return failure("is not a regular file");
    std::string text;
    std::array<char, 65536> block;  // NOLINT: read() fills it
    for (;;) {
        const ssize_t count = read(file.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return reason(errno);
        if (count == 0) return text;
        text.append(block.data(), static_cast<size_t>(count));
        if (text.size() > most) return failure("is larger than " + std::to_string(most) + " bytes");
    }
}

}  // namespace

// O_NONBLOCK: opening a FIFO must not wait for a writer.
Result<std::string> read_whole_file(const std::string& path, size_t most) {
    return read_open(FileDescriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), most);
}

Result<std::string> read_whole_file_at(int directory, const std::string& name, size_t most) {
    return read_open(
        FileDescriptor(openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)),
        most);
}

Result<std::string> read_secret(const std::string& setting, const std::string& path) {
    constexpr size_t most = 4096;
    const std::string where = setting + ": " + path + ": ";
    struct stat found {};
    if (stat(path.c_str(), &found) == 0 && (found.st_mode & (S_IRWXG | S_IRWXO)) != 0 && !is_credential(path))
        return failure(where + "group or others can use it; chmod 0600");
    const auto text = read_whole_file(path, most);
    if (!text) return failure(where + text.error());
    const std::string secret = text->substr(0, text->find_last_not_of("\r\n") + 1);
    if (secret.empty()) return failure(where + "it is empty; write the secret into it");
    return secret;
}

}  // namespace wayleave
