#include "dsl/syntax/load.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "dsl/syntax/file_set.h"

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
                "E013 " + directory.path() + " holds no file named *.route",
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
    load_policy(directory.path(), sources, diagnostics, {1000, 1000});
    REQUIRE(diagnostics.errors() == 1);
    CHECK(messages(diagnostics)[0].find("b.route: larger than") != std::string::npos);
    load_policy(directory.path("a.route"), sources, diagnostics, {500, 1000});
    CHECK(diagnostics.errors() == 2);
    load_policy(directory.path("a.route"), sources, diagnostics, {600, 600});
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

namespace {

constexpr int files_of_a_version = 5;

std::string file_of(int number) {
    return "f" + std::to_string(number) + ".route";
}
std::string text_of_version(int version) {
    return std::to_string(version) + " begins " + std::string(5000, 'x') + " " + std::to_string(version) +
           "\n";
}

struct Watched {
    size_t whole = 0;
    size_t refused = 0;  // the error that asks to try again, or a name that is not there just now
    std::string mixture;
};

constexpr int64_t settling_ms = 60;

// A writer that stops for longer than the settling time looks as if it were done. Where the machine is so
// busy that this one did, nothing is proved.
class Pace {
  public:
    void begin() { last_ = std::chrono::steady_clock::now(); }
    void step() {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        const auto now = std::chrono::steady_clock::now();
        late_ = late_ || now - last_ > std::chrono::milliseconds(settling_ms - 10);
        last_ = now;
    }
    [[nodiscard]] bool late() const { return late_; }

  private:
    std::chrono::steady_clock::time_point last_;
    bool late_ = false;
};

// Every file of one version, whole; or an error.
void look_once(const std::string& path, Watched& out) {
    Sources sources;
    Diagnostics diagnostics;
    load_policy(path, sources, diagnostics, {1 << 20, 1 << 20, settling_ms, 300});
    if (diagnostics.errors() > 0) {
        ++out.refused;
        return;
    }
    std::set<std::string> versions;
    for (uint32_t i = 0; i < sources.size(); ++i) versions.insert(text_of(sources, i));
    const std::string& one = *versions.begin();
    const bool complete = versions.size() == 1 && sources.size() == files_of_a_version &&
                          one == text_of_version(std::atoi(one.c_str()));
    ++out.whole;
    if (!complete && out.mixture.empty())
        for (uint32_t i = 0; i < sources.size(); ++i)
            out.mixture +=
                text_of(sources, i).substr(0, 9) + "… " + std::to_string(text_of(sources, i).size()) + "\n";
}

// Loads in a loop while versions are written, with pauses in which all is still.
Watched watch(const std::string& path, const std::function<void(int)>& write) {
    Watched out;
    std::atomic<bool> done = false;
    write(0);
    std::thread writer([&] {
        for (int version = 1; version < 12; ++version) {
            write(version);
            if (version % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(settling_ms + 30));
        }
        done = true;
    });
    while (!done) look_once(path, out);
    writer.join();
    look_once(path, out);
    return out;
}

}  // namespace

TEST_CASE("files that are replaced one by one are never mixed") {
    const TemporaryDirectory directory;
    Pace pace;
    const Watched seen = watch(directory.path(), [&](int version) {
        pace.begin();
        for (int i = 0; i < files_of_a_version; ++i) {
            directory.write("new", text_of_version(version));
            fs::rename(directory.path("new"), directory.path(file_of(i)));
            pace.step();
        }
    });
    INFO(seen.mixture);
    CHECK((seen.mixture.empty() || pace.late()));
    CHECK(seen.whole > 0);
}

TEST_CASE("files that are written slowly are never seen half") {
    const TemporaryDirectory directory;
    Pace pace;
    const Watched seen = watch(directory.path(), [&](int version) {
        pace.begin();
        const std::string text = text_of_version(version);
        for (int i = 0; i < files_of_a_version; ++i) {
            std::ofstream out(directory.path(file_of(i)));
            for (size_t at = 0; at < text.size(); at += 1000) {
                out << text.substr(at, 1000) << std::flush;
                pace.step();
            }
        }
    });
    INFO(seen.mixture);
    CHECK((seen.mixture.empty() || pace.late()));
    CHECK(seen.whole > 0);
}

TEST_CASE("a directory that another one replaces is the one or the other") {
    const TemporaryDirectory directory;
    const std::string path = directory.path("routes.d");
    const Watched seen = watch(path, [&](int version) {
        const std::string next = "next" + std::to_string(version);
        fs::create_directory(directory.path(next));
        for (int i = 0; i < files_of_a_version; ++i)
            directory.write(next + "/" + file_of(i), text_of_version(version));
        std::error_code ignored;
        fs::rename(path, directory.path("old" + std::to_string(version)), ignored);
        fs::rename(directory.path(next), path);
    });
    CHECK(seen.mixture.empty());
    CHECK(seen.whole > 0);
}

TEST_CASE("files that never stand still are an error that says so, in bounded time") {
    const TemporaryDirectory directory;
    std::atomic<bool> done = false;
    directory.write("a.route", "");
    std::thread writer([&] {
        while (!done) {
            std::ofstream(directory.path("a.route"), std::ios::app) << "more\n";
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    Sources sources;
    Diagnostics diagnostics;
    load_policy(directory.path(), sources, diagnostics, {1 << 20, 1 << 20, 1000, 3000});
    done = true;
    writer.join();
    CHECK(messages(diagnostics) ==
          Lines{"E013 cannot read " + directory.path() + ": the files change while they are read"});
}

TEST_CASE("files that have stood still for a while are not waited for") {
    const TemporaryDirectory directory;
    directory.write("a.route", "one");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const FileSet old = read_file_set(directory.path(), {1000, 1000, 90, 2000});
    CHECK((old.settled && old.waits == 0));
    directory.write("a.route", "two");
    const FileSet fresh = read_file_set(directory.path(), {1000, 1000, 1000, 5000});
    CHECK((fresh.settled && fresh.waits > 0));
}
