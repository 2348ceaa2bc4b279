#include "daemon/ops/load/static_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <utility>

#include "daemon/edge/socket.h"
#include "daemon/ops/load/read_file.h"
#include "dsl/text/text.h"

namespace wayleave {

namespace {

constexpr int max_depth = 16;
constexpr size_t max_entries = 10'000;

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { closedir(directory); }
};

// RFC 9110 5.6.7.
std::string http_date(std::time_t time) {
    std::tm parts{};
    std::array<char, 64> text{};
    gmtime_r(&time, &parts);
    return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

// Where an open file stands, whatever links led to it. Empty: nowhere any more, or nobody can say.
std::string place_of(int fd) {
    std::array<char, PATH_MAX> place{};
    const ssize_t size =
        readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), place.data(), place.size());
    return size > 0 && place[0] == '/' ? std::string(place.data(), static_cast<size_t>(size)) : "";
}

bool is_within(std::string_view place, std::string_view directory) {
    if (directory == "/") directory = "";
    return place.starts_with(directory) && place.substr(directory.size()).starts_with('/');
}

class Reader {
  public:
    explicit Reader(std::string root) : root_(std::move(root)) {}

    // `prefix` ends with a slash. Called right after the directory was opened, or was not: errno says why.
    Status read_directory(FileDescriptor opened, const std::string& prefix, int depth) {
        const int fd = opened.get();
        const std::unique_ptr<DIR, CloseDirectory> directory(opened.open() ? fdopendir(fd) : nullptr);
        if (!directory) return problem(prefix, std::strerror(errno), "check the path and who may read it");
        (void)opened.release();  // the stream closes it
        const std::string place = place_of(fd);
        if (root_place_.empty()) root_place_ = place;
        if (depth > max_depth) return problem(prefix, "is nested too deep", "at most 16 levels are read");
        while (const dirent* entry = readdir(directory.get())) {  // NOLINT: the stream is ours alone
            const std::string name(static_cast<const char*>(entry->d_name));
            if (name.front() == '.') continue;
            // Links may lead to one directory in very many ways.
            if (++entries_ > max_entries)
                return problem("/", "has more than 10000 entries, by all its links",
                               "serve it by a web server");
            if (auto read = read_entry({fd, name, prefix, place, depth}); !read) return read;
        }
        return success();
    }

    StaticFiles take() { return std::move(files_); }

  private:
    struct Entry {
        int directory;
        const std::string& name;
        const std::string& prefix;
        const std::string& place;  // of the directory
        int depth;
    };

    Status read_entry(const Entry& entry) {
        struct stat info {};
        if (fstatat(entry.directory, entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return success();  // removed meanwhile
        if (S_ISLNK(info.st_mode)) return follow(entry);
        if (S_ISDIR(info.st_mode)) {
            constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
            return read_directory(FileDescriptor(openat(entry.directory, entry.name.c_str(), flags)),
                                  entry.prefix + entry.name + "/", entry.depth + 1);
        }
        if (!S_ISREG(info.st_mode)) return success();
        const size_t room = max_static_bytes - bytes_;
        return add(entry, info, read_whole_file_at(entry.directory, entry.name, room));
    }

    // What is looked at is what was opened, whoever changes links meanwhile. A link to a directory around it
    // would never end.
    Status follow(const Entry& entry) {
        const FileDescriptor target(openat(entry.directory, entry.name.c_str(), O_PATH | O_CLOEXEC));
        struct stat info {};
        if (!target.open() || fstat(target.get(), &info) != 0) return success();  // it leads nowhere
        const std::string place = place_of(target.get());
        if (!is_within(place, root_place_) || is_within(entry.place + "/", place)) return success();
        if (S_ISDIR(info.st_mode)) {
            constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
            return read_directory(FileDescriptor(openat(target.get(), ".", flags)),
                                  entry.prefix + entry.name + "/", entry.depth + 1);
        }
        if (!S_ISREG(info.st_mode)) return success();
        const std::string path = "/proc/self/fd/" + std::to_string(target.get());
        return add(entry, info, read_whole_file(path, max_static_bytes - bytes_));
    }

    Status add(const Entry& entry, const struct stat& info, Result<std::string> text) {
        if (!text && static_cast<uint64_t>(info.st_size) > max_static_bytes - bytes_) {
            return problem("/", "holds more than 16 MiB", "serve large files by a web server");
        }
        if (!text) return problem(entry.prefix + entry.name, text.error(), "check who may read it");
        if (files_.size() >= max_static_files) {
            return problem("/", "holds more than 1000 files", "serve them by a web server");
        }
        bytes_ += text->size();
        const std::string etag = etag_of(*text);
        const StaticFile file{std::string(content_type_of(entry.name)),
                              std::make_shared<const std::string>(std::move(*text)), etag,
                              http_date(info.st_mtim.tv_sec)};
        if (entry.prefix == "/" && entry.name == "index.html") files_.emplace("/", file);
        files_.emplace(entry.prefix + entry.name, file);
        return success();
    }

    [[nodiscard]] Status problem(std::string_view path, std::string_view what,
                                 std::string_view remedy) const {
        std::string text = root_ + (path == "/" ? "" : std::string(path)) + ": ";
        return failure(text.append(what).append("; ").append(remedy));
    }

    std::string root_;
    std::string root_place_;
    StaticFiles files_;
    size_t bytes_ = 0;
    size_t entries_ = 0;  // that were looked at
};

}  // namespace

std::string etag_of(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL offers no SHA-256");
    return '"' + dsl::hex_text({reinterpret_cast<const char*>(digest.data()), 16}) + '"';
}

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
