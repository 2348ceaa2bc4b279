#include "daemon/cli/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace wayleave {
namespace {

Failure<std::string> system_failure(const char* what) {
    return failure(std::string(what) + ": " + std::strerror(errno));
}

// A file beside the one that it will replace. What was not kept is removed.
class Replacement {
  public:
    explicit Replacement(const std::string& target)
        : path_(target + ".XXXXXX"), fd_(mkostemp(path_.data(), O_CLOEXEC)) {}
    ~Replacement() {
        if (fd_ < 0) return;
        close(fd_);
        if (!kept_) unlink(path_.c_str());
    }
    Replacement(const Replacement&) = delete;
    Replacement& operator=(const Replacement&) = delete;

    [[nodiscard]] bool made() const { return fd_ >= 0; }

    [[nodiscard]] bool write_all(std::string_view content) {
        while (!content.empty()) {
            const ssize_t n = write(fd_, content.data(), content.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return false;
            content.remove_prefix(static_cast<size_t>(n));
        }
        return fsync(fd_) == 0;
    }
    // The owner first: changing it may take bits of the mode away.
    [[nodiscard]] bool become_like(const struct stat& model) {
        struct stat mine {};
        if (fstat(fd_, &mine) != 0) return false;
        const bool same = mine.st_uid == model.st_uid && mine.st_gid == model.st_gid;
        return (same || fchown(fd_, model.st_uid, model.st_gid) == 0) &&
               fchmod(fd_, model.st_mode & 07777) == 0;
    }
    [[nodiscard]] bool replace(const std::string& target) {
        kept_ = std::rename(path_.c_str(), target.c_str()) == 0;
        return kept_;
    }

  private:
    std::string path_;
    int fd_;
    bool kept_ = false;
};

}  // namespace

Status replace_file(const std::string& path, std::string_view content) {
    char target[PATH_MAX];
    struct stat model {};
    if (realpath(path.c_str(), target) == nullptr || stat(target, &model) != 0)
        return system_failure("cannot find it");
    if (!S_ISREG(model.st_mode)) return failure("it is no regular file");
    Replacement replacement(target);
    if (!replacement.made()) return system_failure("cannot make a file beside it");
    if (!replacement.become_like(model)) return system_failure("cannot keep its owner and mode");
    if (!replacement.write_all(content)) return system_failure("cannot write");
    if (!replacement.replace(target)) return system_failure("cannot replace it");
    return success();
}

}  // namespace wayleave
