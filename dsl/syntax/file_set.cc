#include "dsl/syntax/file_set.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>
#include <thread>
#include <tuple>

namespace wayleave::dsl {
namespace {

constexpr std::string_view suffix = ".route";

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

std::string why() {
    return std::strerror(errno);
}

int64_t nanoseconds(const timespec& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The clock by which the kernel stamps changes.
int64_t wall_now() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return nanoseconds(now);
}

// What changes when a file does. The change time cannot be set back by touch or by a copy that keeps times.
struct Mark {
    std::string name;
    int error = 0;
    mode_t mode = 0;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified = 0;
    int64_t changed = 0;

    friend bool operator==(const Mark&, const Mark&) = default;
};

Mark mark(int directory, const std::string& name) {
    struct stat about {};
    Mark out;
    out.name = name;
    if (fstatat(directory, name.c_str(), &about, 0) != 0) {
        out.error = errno;
        return out;
    }
    out.mode = about.st_mode;
    out.device = about.st_dev;
    out.inode = about.st_ino;
    out.size = about.st_size;
    out.modified = nanoseconds(about.st_mtim);
    out.changed = nanoseconds(about.st_ctim);
    return out;
}

// One look at the path: the directory itself and its files, or the one file.
struct Listing {
    std::vector<Mark> marks;  // the first is the path's own
    std::string error;

    [[nodiscard]] bool is_directory() const { return S_ISDIR(marks.front().mode); }
    [[nodiscard]] int64_t changed() const {
        int64_t latest = 0;
        for (const Mark& one : marks) latest = std::max(latest, one.changed);
        return latest;
    }
    [[nodiscard]] bool has_empty() const {
        return std::any_of(marks.begin(), marks.end(),
                           [](const Mark& one) { return S_ISREG(one.mode) && one.size == 0; });
    }
    friend bool operator==(const Listing&, const Listing&) = default;
};

bool is_meant(const char* name) {
    return std::string_view(name).ends_with(suffix) && name[0] != '.';
}

void list(int directory, Listing& out) {
    // A descriptor of its own: reading a directory moves its position.
    DIR* entries = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!entries) {
        out.error = why();
        return;
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> owner(entries, closedir);
    errno = 0;
    while (const dirent* entry = readdir(entries)) {
        if (!is_meant(entry->d_name)) continue;
        // Anything that is called so is meant: if it is no file (a dangling link, a FIFO), that is an error
        // of reading, not silence. But directories are not entered.
        Mark found = mark(directory, entry->d_name);
        if (!S_ISDIR(found.mode)) out.marks.push_back(std::move(found));
        errno = 0;
    }
    if (errno != 0) out.error = why();
    std::sort(out.marks.begin() + 1, out.marks.end(),
              [](const Mark& a, const Mark& b) { return a.name < b.name; });
}

Listing look(const std::string& path, int directory) {
    Listing out;
    out.marks.push_back(mark(AT_FDCWD, path));
    if (out.marks.front().error != 0) out.error = std::strerror(out.marks.front().error);
    if (out.error.empty() && out.is_directory()) list(directory, out);
    return out;
}

Result<std::string> read_whole(int directory, const std::string& path, size_t most) {
    const Descriptor file(openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat about {};
    if (file.get() < 0 || fstat(file.get(), &about) != 0) return failure(why());
    if (!S_ISREG(about.st_mode)) return failure("not a regular file");
    std::string text;
    char block[65536];
    for (;;) {
        const ssize_t n = read(file.get(), block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failure(why());
        if (n == 0) return text;
        text.append(block, static_cast<size_t>(n));
        if (text.size() > most) return failure("larger than " + std::to_string(most >> 20) + " MiB");
    }
}

// As they are now, whatever else happens to them meanwhile.
std::vector<FileSet::File> read_all(const std::string& path, const Listing& listing, int directory,
                                    const FileSetBounds& bounds) {
    std::vector<FileSet::File> out;
    if (!listing.is_directory()) {
        out.push_back({path, read_whole(AT_FDCWD, path, std::min(bounds.file_bytes, bounds.total_bytes))});
        return out;
    }
    const std::string before = path.ends_with('/') ? path : path + "/";
    size_t left = bounds.total_bytes;
    for (size_t i = 1; i < listing.marks.size(); ++i) {
        const std::string& name = listing.marks[i].name;
        out.push_back({before + name, read_whole(directory, name, std::min(bounds.file_bytes, left))});
        if (out.back().text) left -= out.back().text.value().size();
    }
    return out;
}

}  // namespace

FileSet read_file_set(const std::string& path, const FileSetBounds& bounds) {
    using std::chrono::milliseconds;
    using std::chrono::steady_clock;
    const auto give_up = steady_clock::now() + milliseconds(bounds.patience_ms);
    Listing last;
    for (int waits = 0;; ++waits) {
        // The descriptor stays with one directory, also when another takes its name. Not one: a lone file.
        const Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const int64_t now = wall_now();
        const Listing before = look(path, directory.get());
        if (before.marks.front().error != 0) return {{}, before.error, true, waits};
        FileSet out{read_all(path, before, directory.get(), bounds), before.error, true, waits};
        const Descriptor again(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const int64_t age = (now - before.changed()) / 1'000'000;
        // What stayed as it was for a while must do where the clock was set back. And an empty file needs it:
        // while a file is cut off to be written anew, ext4 shows it empty before it shows that it has
        // changed.
        const bool old = age >= bounds.settle_ms && !before.has_empty();
        const bool stayed = before == last && (age >= bounds.settle_ms || age < 0);
        if ((old || stayed) && before == look(path, again.get())) return out;
        if (steady_clock::now() >= give_up) return {{}, {}, false, waits};
        const int64_t wait = age < 0 || age >= bounds.settle_ms ? bounds.settle_ms : bounds.settle_ms - age;
        std::this_thread::sleep_for(milliseconds(wait));
        last = before;
    }
}

}  // namespace wayleave::dsl
