#include "daemon/ops/static_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "daemon/edge/socket.h"
#include "daemon/ops/read_file.h"

namespace wayleave {

namespace {

constexpr int max_depth = 16;

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { closedir(directory); }
};

class Reader {
  public:
    explicit Reader(std::string root) : root_(std::move(root)) {}

    // `prefix` ends with a slash. Called right after the directory was opened, or was not: errno says why.
    Status read_directory(FileDescriptor opened, const std::string& prefix, int depth) {
        const int fd = opened.get();
        const std::unique_ptr<DIR, CloseDirectory> directory(opened.open() ? fdopendir(fd) : nullptr);
        if (!directory) return problem(prefix, std::strerror(errno), "check the path and who may read it");
        (void)opened.release();  // the stream closes it
        if (depth > max_depth) return problem(prefix, "is nested too deep", "at most 16 levels are read");
        while (const dirent* entry = readdir(directory.get())) {  // NOLINT: the stream is ours alone
            const std::string name(static_cast<const char*>(entry->d_name));
            if (name.front() == '.') continue;
            if (auto read = read_entry(fd, name, prefix, depth); !read) return read;
        }
        return success();
    }

    StaticFiles take() { return std::move(files_); }

  private:
    Status read_entry(int fd, const std::string& name, const std::string& prefix, int depth) {
        struct stat info {};
        if (fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return success();  // removed meanwhile
        if (S_ISDIR(info.st_mode)) {
            const std::string path = prefix + name + "/";
            constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
            return read_directory(FileDescriptor(openat(fd, name.c_str(), flags)), path, depth + 1);
        }
        if (!S_ISREG(info.st_mode)) return success();
        auto text = read_whole_file_at(fd, name, max_static_bytes - bytes_);
        if (!text && static_cast<uint64_t>(info.st_size) > max_static_bytes - bytes_) {
            return problem("/", "holds more than 16 MiB", "serve large files by a web server");
        }
        if (!text) return problem(prefix + name, text.error(), "check who may read it");
        if (files_.size() >= max_static_files) {
            return problem("/", "holds more than 1000 files", "serve them by a web server");
        }
        bytes_ += text->size();
        const StaticFile file{std::string(content_type_of(name)),
                              std::make_shared<const std::string>(std::move(*text))};
        if (prefix == "/" && name == "index.html") files_.emplace("/", file);
        files_.emplace(prefix + name, file);
        return success();
    }

    [[nodiscard]] Status problem(std::string_view path, std::string_view what,
                                 std::string_view remedy) const {
        std::string text = root_ + (path == "/" ? "" : std::string(path)) + ": ";
        return failure(text.append(what).append("; ").append(remedy));
    }

    std::string root_;
    StaticFiles files_;
    size_t bytes_ = 0;
};

}  // namespace

std::string_view content_type_of(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 18> types = {{
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".map", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".txt", "text/plain; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".wasm", "application/wasm"},
        {".xml", "application/xml"},
    }};
    for (const auto& [ending, type] : types) {
        if (name.ends_with(ending)) return type;
    }
    return "application/octet-stream";
}

Result<StaticFiles> load_static_files(const std::string& directory) {
    Reader reader(directory);
    // The directory itself may be a link: it is the admin's word.
    FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (auto read = reader.read_directory(std::move(fd), "/", 0); !read) return failure(read.error());
    return reader.take();
}

}  // namespace wayleave
