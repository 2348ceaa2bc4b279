#include "daemon/ops/static_files.h"

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
