#include "daemon/ops/load/static_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

using namespace wayleave;
namespace fs = std::filesystem;

namespace {

// A directory that goes with its test.
class Directory {
  public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "wayleave-static-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

}  // namespace

TEST_CASE("files are found by the path of their address", "[static]") {
    const Directory directory;
    directory.write("index.html", "<p>");
    directory.write("js/chat.js", "x");
    directory.write("js/index.html", "inner");
    const auto files = load_static_files(directory.path().string());
    REQUIRE(files);
    CHECK(files->size() == 4);
    CHECK(*files->at("/").body == "<p>");
    CHECK(files->at("/").content_type == "text/html; charset=utf-8");
    CHECK(*files->at("/index.html").body == "<p>");
    CHECK(*files->at("/js/chat.js").body == "x");
    CHECK(files->at("/js/chat.js").content_type == "text/javascript; charset=utf-8");
    CHECK(*files->at("/js/index.html").body == "inner");
}

TEST_CASE("hidden files, links and devices are left out", "[static]") {
    const Directory directory;
    directory.write("a.txt", "a");
    directory.write(".htpasswd", "secret");
    directory.write(".git/config", "secret");
    fs::create_symlink("/etc/passwd", directory.path() / "link.txt");
    fs::create_directory_symlink("/etc", directory.path() / "etc");
    REQUIRE(mkfifo((directory.path() / "pipe").c_str(), 0600) == 0);
    const auto files = load_static_files(directory.path().string());
    REQUIRE(files);
    CHECK(files->size() == 1);
    CHECK(files->contains("/a.txt"));
}

TEST_CASE("a link within the directory is what it leads to", "[static]") {
    const Directory directory;
    // As Kubernetes lays a ConfigMap out.
    directory.write("..2024_01/index.html", "<p>");
    directory.write("..2024_01/js/chat.js", "x");
    fs::create_directory_symlink("..2024_01", directory.path() / "..data");
    fs::create_symlink("..data/index.html", directory.path() / "index.html");
    fs::create_directory_symlink("..data/js", directory.path() / "js");
    fs::create_symlink(directory.path() / "..2024_01/js/chat.js", directory.path() / "absolute.js");
    fs::create_symlink("gone", directory.path() / "dangling.html");
    fs::create_directory_symlink(".", directory.path() / "again");
    directory.write("sub/a.txt", "a");
    fs::create_directory_symlink("..", directory.path() / "sub/up");
    const auto files = load_static_files(directory.path().string());
    REQUIRE(files);
    std::string names;
    for (const auto& [name, file] : *files) names += name + " ";
    CHECK(names == "/ /absolute.js /index.html /js/chat.js /sub/a.txt ");
    CHECK(*files->at("/").body == "<p>");
}

TEST_CASE("a link to a directory beside it whose name begins alike leads out", "[static]") {
    const Directory directory;
    directory.write("www/a.txt", "a");
    directory.write("www-secret/b.txt", "b");
    fs::create_symlink("../www-secret/b.txt", directory.path() / "www/b.txt");
    fs::create_directory_symlink("../www-secret", directory.path() / "www/secret");
    const auto files = load_static_files((directory.path() / "www").string());
    REQUIRE(files);
    CHECK(files->size() == 1);
}

TEST_CASE("a directory that is switched is another the next time", "[static]") {
    const Directory directory;
    directory.write("1/a.txt", "one");
    directory.write("2/a.txt", "two");
    fs::create_directory_symlink("1", directory.path() / "current");
    const std::string path = (directory.path() / "current").string();
    const auto before = load_static_files(path);
    fs::create_directory_symlink("2", directory.path() / "next");
    fs::rename(directory.path() / "next", path);
    const auto after = load_static_files(path);
    REQUIRE((before && after));
    CHECK(*before->at("/a.txt").body == "one");
    CHECK(*after->at("/a.txt").body == "two");
    CHECK(before->at("/a.txt").etag != after->at("/a.txt").etag);
}

TEST_CASE("validators are of the content and of the file's time", "[static]") {
    const Directory directory;
    directory.write("a.txt", "a");
    const timespec times[2] = {{1'700'000'000, 5}, {1'700'000'000, 5}};
    REQUIRE(utimensat(AT_FDCWD, (directory.path() / "a.txt").c_str(), times, 0) == 0);
    const auto files = load_static_files(directory.path().string());
    REQUIRE(files);
    CHECK(files->at("/a.txt").etag == "\"ca978112ca1bbdcafac231b39a23dc4d\"");
    CHECK(files->at("/a.txt").modified == "Tue, 14 Nov 2023 22:13:20 GMT");
}

TEST_CASE("a directory that is too large is refused", "[static]") {
    const Directory directory;
    directory.write("a.bin", std::string(max_static_bytes, 'x'));
    CHECK(load_static_files(directory.path().string()));
    directory.write("b.bin", "y");
    const auto files = load_static_files(directory.path().string());
    REQUIRE_FALSE(files);
    CHECK_THAT(files.error(), Catch::Contains("holds more than 16 MiB; "));
}

TEST_CASE("a directory of too many files is refused", "[static]") {
    const Directory directory;
    for (size_t i = 0; i <= max_static_files; ++i) directory.write("d/" + std::to_string(i), "");
    const auto files = load_static_files(directory.path().string());
    REQUIRE_FALSE(files);
    CHECK_THAT(files.error(), Catch::Contains("holds more than 1000 files; "));
}

TEST_CASE("links that lead to one directory in very many ways are refused", "[static]") {
    const Directory directory;
    for (int level = 0; level < 9; ++level) {
        const fs::path own = directory.path() / ("a" + std::to_string(level));
        fs::create_directories(own);
        for (int i = 0; level < 8 && i < 6; ++i)
            fs::create_directory_symlink("../a" + std::to_string(level + 1), own / std::to_string(i));
    }
    const auto read = load_static_files(directory.path().string());
    REQUIRE_FALSE(read);
    CHECK(read.error().find("more than 10000 entries") != std::string::npos);
}

TEST_CASE("a directory that is not there, or is none", "[static]") {
    const Directory directory;
    directory.write("file", "x");
    const auto missing = load_static_files((directory.path() / "none").string());
    REQUIRE_FALSE(missing);
    CHECK_THAT(missing.error(), Catch::Contains("none: No such file or directory; "));
    const auto file = load_static_files((directory.path() / "file").string());
    REQUIRE_FALSE(file);
    CHECK_THAT(file.error(), Catch::Contains("file: Not a directory; "));
}

TEST_CASE("content types go by the ending", "[static]") {
    CHECK(content_type_of("/a.css") == "text/css; charset=utf-8");
    CHECK(content_type_of("/a.css.gz") == "application/octet-stream");
    CHECK(content_type_of("/css") == "application/octet-stream");
    CHECK(content_type_of("/a.svg") == "image/svg+xml");
}
