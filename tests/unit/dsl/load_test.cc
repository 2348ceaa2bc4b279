#include "dsl/load.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace wayleave::dsl;
namespace fs = std::filesystem;

namespace {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (fs::temp_directory_path() / "wayleave-load-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] std::string path(const std::string& name = "") const {
        return name.empty() ? path_.string() : (path_ / name).string();
    }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path_ / name) << text;
    }

  private:
    fs::path path_;
};

std::vector<std::string> messages(const Diagnostics& diagnostics) {
    std::vector<std::string> out;
    for (const auto& one : diagnostics.all()) out.push_back(std::string(one.id) + " " + one.message);
    return out;
}

std::string text_of(const Sources& sources, uint32_t file) {
    return sources.file(file).text;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a directory is read in the order of its names") {
    const TemporaryDirectory directory;
    directory.write("b.route", "two");
    directory.write("a.route", "one");
    directory.write("c.txt", "not a policy");
    directory.write(".hidden.route", "an editor's");
    directory.write("d.route~", "a backup");
    fs::create_directory(directory.path("sub.route"));
    fs::create_directory(directory.path("sub"));
    directory.write("sub/e.route", "not entered");
    fs::create_symlink(directory.path("a.route"), directory.path("z.route"));
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path(), sources, diagnostics);
    CHECK(messages(diagnostics).empty());
    REQUIRE(sources.size() == 3);
    CHECK(text_of(sources, 0) == "one");
    CHECK(sources.file(1).path == directory.path("b.route"));
    CHECK(text_of(sources, 2) == "one");  // the link
}

TEST_CASE("what is called a policy file and is none is an error, not silence") {
    const TemporaryDirectory directory;
    directory.write("a.route", "one");
    fs::create_symlink(directory.path("nowhere"), directory.path("b.route"));
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path(), sources, diagnostics);
    REQUIRE(diagnostics.errors() == 1);
    CHECK(diagnostics.all()[0].message.find("b.route: No such file or directory") != std::string::npos);
}

TEST_CASE("one file may have any name") {
    const TemporaryDirectory directory;
    directory.write("policy", "text");
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path("policy"), sources, diagnostics);
    CHECK(messages(diagnostics).empty());
    REQUIRE(sources.size() == 1);
    CHECK(text_of(sources, 0) == "text");
}

TEST_CASE("what cannot be read is said by name") {
    const TemporaryDirectory directory;
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path("none"), sources, diagnostics);
    load_policy(directory.path(), sources, diagnostics);
    REQUIRE(mkfifo(directory.path("pipe.route").c_str(), 0600) == 0);
    load_policy(directory.path("pipe.route"), sources, diagnostics);  // and does not wait for a writer
    CHECK(messages(diagnostics) ==
          Lines{"E013 cannot read " + directory.path("none") + ": No such file or directory",
                "E013 cannot read " + directory.path() + ": the directory holds no file named *.route",
                "E013 cannot read " + directory.path("pipe.route") + ": not a regular file"});
    CHECK(sources.place(diagnostics.all()[0].primary.span) == directory.path("none") + ":1:1");
}

TEST_CASE("a file without permission is an error, and the others are read") {
    if (geteuid() == 0) return;  // root reads everything
    const TemporaryDirectory directory;
    directory.write("a.route", "secret");
    directory.write("b.route", "open");
    fs::permissions(directory.path("a.route"), fs::perms::none);
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path(), sources, diagnostics);
    CHECK(messages(diagnostics) ==
          Lines{"E013 cannot read " + directory.path("a.route") + ": Permission denied"});
    REQUIRE(sources.size() == 2);
    CHECK(text_of(sources, 1) == "open");
}

TEST_CASE("what is read is bounded") {
    const TemporaryDirectory directory;
    directory.write("a.route", std::string(600, 'a'));
    directory.write("b.route", std::string(600, 'b'));
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path(), sources, diagnostics, {.file_bytes = 1000, .total_bytes = 1000});
    REQUIRE(diagnostics.errors() == 1);
    CHECK(messages(diagnostics)[0].find("b.route: larger than") != std::string::npos);
    load_policy(directory.path("a.route"), sources, diagnostics, {.file_bytes = 500, .total_bytes = 1000});
    CHECK(diagnostics.errors() == 2);
    load_policy(directory.path("a.route"), sources, diagnostics, {.file_bytes = 600, .total_bytes = 600});
    CHECK(diagnostics.errors() == 2);
}

TEST_CASE("bytes that are no text are refused") {
    struct Case {
        std::string text;
        const char* message;
        const char* place;
    };
    for (const auto& [text, message, place] :
         {Case{"\xEF\xBB\xBFlet", "the file begins with a byte order mark", "x:1:1"},
          Case{std::string("a\nb\0c", 5), "a NUL byte in a policy file", "x:2:2"},
          Case{"é\xC3(", "this is not valid UTF-8", "x:1:2"}}) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("x", text, sources, diagnostics);
        REQUIRE(diagnostics.errors() == 1);
        CHECK(diagnostics.all()[0].id == "E001");
        CHECK(diagnostics.all()[0].message == message);
        CHECK(sources.place(diagnostics.all()[0].primary.span) == place);
    }
}
