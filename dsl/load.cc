#include "dsl/load.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "dsl/result.h"
#include "dsl/text.h"

namespace wayleave::dsl {
namespace {

namespace fs = std::filesystem;

class File {  // owns a descriptor
  public:
    explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    ~File() {
        if (fd_ >= 0) close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

Result<std::string> read_whole(const std::string& path, size_t most) {
    const File file(path);
    struct stat about {};
    if (file.get() < 0 || fstat(file.get(), &about) != 0) return failure(std::string(std::strerror(errno)));
    if (!S_ISREG(about.st_mode)) return failure("not a regular file");
    std::string text;
    char block[65536];
    for (;;) {
        const ssize_t n = read(file.get(), block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failure(std::string(std::strerror(errno)));
        if (n == 0) return text;
        text.append(block, static_cast<size_t>(n));
        if (text.size() > most) return failure("larger than " + std::to_string(most >> 20) + " MiB");
    }
}

// A diagnostic needs a place; a file that could not be read is an empty source.
void unreadable(const std::string& path, const std::string& why, Sources& sources, Diagnostics& diagnostics) {
    const uint32_t file = sources.add(path, "");
    diagnostics.error("E013", {file, 0, 0}, "cannot read " + path + ": " + why, {},
                      "check the path and that the user of the daemon may read it");
}

std::vector<std::string> route_files(const std::string& directory, std::error_code& error) {
    std::vector<std::string> found;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        // Whatever is called so is meant: what is no file (a dangling link, a FIFO) is an error of reading,
        // not silence.
        std::error_code ignored;
        const bool nested = it->is_directory(ignored);  // not entered
        if (it->path().extension() == ".route" && name.front() != '.' && !nested) {
            found.push_back(it->path().string());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

void load_text(std::string path, std::string text, Sources& sources, Diagnostics& diagnostics) {
    const size_t nul = text.find('\0');
    const size_t broken = first_invalid_utf8(text);
    const bool bom = text.starts_with("\xEF\xBB\xBF");
    const uint32_t file = sources.add(std::move(path), std::move(text));
    const auto at = [&](size_t offset) {
        return Span{file, static_cast<uint32_t>(offset), static_cast<uint32_t>(offset + 1)};
    };
    if (bom) {
        diagnostics.error("E001", {file, 0, 3}, "the file begins with a byte order mark", {},
                          "save it as UTF-8 without BOM");
    }
    if (nul != std::string::npos) {
        diagnostics.error("E001", at(nul), "a NUL byte in a policy file", {}, "policy files are UTF-8 text");
    } else if (broken != std::string::npos) {
        diagnostics.error("E001", at(broken), "this is not valid UTF-8", {}, "policy files are UTF-8 text");
    }
}

void load_policy(const std::string& path, Sources& sources, Diagnostics& diagnostics,
                 const LoadLimits& limits) {
    std::error_code error;
    std::vector<std::string> files{path};
    if (fs::is_directory(path, error)) {
        files = route_files(path, error);
        if (error) return unreadable(path, error.message(), sources, diagnostics);
        if (files.empty()) {
            return unreadable(path, "the directory holds no file named *.route", sources, diagnostics);
        }
    }
    size_t total = 0;
    for (const std::string& file : files) {
        auto text = read_whole(file, std::min(limits.file_bytes, limits.total_bytes - total));
        if (!text) {
            unreadable(file, text.error(), sources, diagnostics);
            continue;
        }
        total += text->size();
        load_text(file, std::move(*text), sources, diagnostics);
    }
}

}  // namespace wayleave::dsl
