#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/broker/sqlite_fixture.h"

using namespace wayleave;
using Catch::Matchers::Contains;

TEST_CASE_METHOD(SqliteFixture, "the numbering goes on after a restart", "[sqlite]") {
    settings.full = GENERATE(true, false);
    open();
    const Receipt first = publish("a");
    open();
    CHECK(publish("b").position == Position{first.position.epoch, 2});
    CHECK(brief(all().messages) == "1=a 2=b");
}

TEST_CASE_METHOD(SqliteFixture, "what waits is written before the broker ends", "[sqlite]") {
    open();
    for (int i = 0; i < 2000; ++i) (void)broker->publish(draft(std::to_string(i)), {worker, ++ticket});
    broker.reset();
    for (uint64_t i = 1; i <= ticket; ++i) CHECK(box.wait<Receipt>(i).status == Receipt::Status::accepted);
    open();
    CHECK(all().top.offset == 2000);
}

TEST_CASE_METHOD(SqliteFixture, "a process that is killed has kept what it answered", "[sqlite]") {
    settings.full = GENERATE(true, false);
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        open();
        for (uint64_t i = 1; i <= 50; ++i) {
            const Receipt receipt = publish(std::to_string(i));
            if (write(pipe_ends[1], &receipt.position, sizeof(Position)) < 0) _exit(1);
        }
        kill(getpid(), SIGKILL);
    }
    close(pipe_ends[1]);
    std::vector<Position> answered;
    for (Position one; ::read(pipe_ends[0], &one, sizeof one) == sizeof one;) answered.push_back(one);
    close(pipe_ends[0]);
    waitpid(child, nullptr, 0);
    REQUIRE(answered.size() == 50);
    open();
    const Page page = all();
    CHECK(page.top == answered.back());
    CHECK(page.messages.size() == 50);
}

TEST_CASE_METHOD(SqliteFixture, "a history is cut by number, on the disk too", "[sqlite]") {
    retention = {10, 3'600'000, 0};
    open();
    for (int i = 0; i < 200; ++i) publish("x");
    CHECK(ask("SELECT count(*) FROM message") <= 12);
    CHECK(all().messages.size() == 10);
    pass(60'000);
    tidy_until([&] { return ask("SELECT count(*) FROM message") == 10; });
    CHECK(all().messages.size() == 10);
    CHECK(all().top.offset == 200);
}

TEST_CASE_METHOD(SqliteFixture, "what is old is removed, in many channels", "[sqlite]") {
    retention = {1000, 60'000, 0};
    open();
    for (int i = 0; i < 300; ++i) {
        channel = "room" + std::to_string(i);
        (void)broker->publish(draft("a"), {worker, ++ticket});
    }
    channel = "room0";
    publish("b");
    pass(30'000);
    const uint64_t epoch = publish("c").position.epoch;
    pass(30'001);
    tidy_until([&] { return ask("SELECT count(*) FROM message") == 1; });
    CHECK(brief(all().messages) == "3=c");
    CHECK(since(epoch, 2).recovered);
    CHECK_FALSE(since(epoch, 1).recovered);
    pass(30'000);
    tidy_until([&] { return ask("SELECT count(*) FROM message") == 0; });
    CHECK(publish("d").position == Position{epoch, 4});
}

TEST_CASE_METHOD(SqliteFixture, "a channel in which nothing is left is forgotten, and never continued",
                 "[sqlite]") {
    retention = {10, 60'000, 60'000};
    open();
    const Receipt first = publish("a", "id");
    acknowledge("ann", first.position);
    pass(600'000);  // enough for its message, and not for its numbering
    tidy_until([&] { return ask("SELECT count(*) FROM message") == 0; });
    CHECK(since(first.position.epoch, 1).recovered);
    SECTION("not while somebody listens") {
        broker->subscribe(worker, "room");
        (void)all();
        pass(3'600'000);
        tidy_until([&] { return ask("SELECT count(*) FROM cursor") == 0; });
        for (int i = 0; i < 5; ++i) broker->tick(now);
        CHECK(publish("b").position == Position{first.position.epoch, 2});
    }
    SECTION("and then another epoch begins") {
        pass(3'600'000);
        tidy_until([&] { return ask("SELECT count(*) FROM channel") == 0; });
        CHECK(ask("SELECT count(*) FROM cursor") == 0);
        CHECK_FALSE(since(first.position.epoch, 1).recovered);
        const Receipt next = publish("b");
        CHECK(next.position.offset == 1);
        CHECK(next.position.epoch != first.position.epoch);
        CHECK(acknowledge("ann", first.position).status == Receipt::Status::refused);
    }
}

TEST_CASE_METHOD(SqliteFixture, "jumps of the wall clock neither wipe nor freeze the history", "[sqlite]") {
    constexpr int64_t year = int64_t{366} * 24 * 3'600'000;
    open();
    publish("a");
    now.wall_ms += GENERATE(int64_t{-2} * year, 2 * year);
    publish("b");
    CHECK(brief(all().messages) == "1=a 2=b");
    for (int i = 0; i < 20; ++i) broker->tick(now);
    CHECK(brief(all().messages) == "1=a 2=b");
    open();  // the wall clock of the last commit counts
    CHECK(brief(all().messages) == "1=a 2=b");
    pass(retention.keep_ms);
    CHECK(all().messages.empty());
}

TEST_CASE_METHOD(SqliteFixture, "messages age while the daemon is stopped, within bounds", "[sqlite]") {
    open();
    publish("a");
    broker.reset();
    SECTION("the machine's clock went on, and the steady one began anew") {
        now = {5, now.wall_ms + retention.keep_ms - 1000};
        open();
        CHECK(all().messages.size() == 1);
        pass(1000);
        CHECK(all().messages.empty());
    }
    SECTION("it was set back") {
        now.wall_ms -= 1'000'000'000;
        open();
        CHECK(all().messages.size() == 1);
        pass(retention.keep_ms);
        CHECK(all().messages.empty());
    }
    SECTION("it is years ahead") {
        now.wall_ms += int64_t{3650} * 24 * 3'600'000;
        retention.keep_ms = int64_t{30} * 24 * 3'600'000;
        open();
        CHECK(all().messages.size() == 1);
    }
}

TEST_CASE_METHOD(SqliteFixture, "unsynced commits and a loss of power begin another epoch", "[sqlite]") {
    settings.full = false;
    open();
    const uint64_t epoch = publish("a").position.epoch;
    SECTION("not after a clean stop") {
        open();
        CHECK(all().top.epoch == epoch);
    }
    SECTION("but when the machine was started meanwhile") {
        broker.reset();
        sql("UPDATE state SET unsure = 1, boot = 'another'");
        open();
        CHECK(all().top.epoch != epoch);
        CHECK(brief(all().messages) == "1=a");
        CHECK_FALSE(since(epoch, 1).recovered);
    }
    SECTION("nor when only the process died") {
        broker.reset();
        sql("UPDATE state SET unsure = 1");
        open();
        CHECK(all().top.epoch == epoch);
    }
}

TEST_CASE_METHOD(SqliteFixture, "the file is the daemon's alone", "[sqlite]") {
    const mode_t before = umask(0);
    open();
    umask(before);
    publish("a");
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
        struct stat found {};
        REQUIRE(stat((settings.path + suffix).c_str(), &found) == 0);
        CHECK((found.st_mode & 0777U) == 0600);
    }
    auto second = SqliteBroker::open(
        settings, [](bool, const std::string&) {}, now);
    REQUIRE_FALSE(second);
    CHECK_THAT(second.error().text, Contains("another wayleave works on this database"));
    CHECK(publish("b").status == Receipt::Status::accepted);
}

TEST_CASE_METHOD(SqliteFixture, "a file that cannot be used is refused with a remedy", "[sqlite]") {
    SECTION("no database") {
        std::ofstream(settings.path) << std::string(5000, 'x');
        CHECK_THAT(refused(), Contains("is not an SQLite database; move it away"));
    }
    SECTION("another program's") {
        std::ofstream(settings.path).close();
        sql("CREATE TABLE song (title TEXT)");
        CHECK_THAT(refused(), Contains("is a database of another program"));
    }
    SECTION("a newer version") {
        open();
        broker.reset();
        sql("PRAGMA user_version = 2");
        CHECK_THAT(refused(), Contains("newer wayleave (version 2 of the file, and this one knows 1)"));
    }
    SECTION("corrupt") {
        open();
        for (int i = 0; i < 100; ++i) publish(std::string(1000, 'x'));
        broker.reset();
        {
            std::fstream file(settings.path, std::ios::in | std::ios::out | std::ios::binary);
            const auto size = std::filesystem::file_size(settings.path);
            for (size_t at = 4096 * 3; at < size; at += 4096) {
                file.seekp(static_cast<std::streamoff>(at));
                file << std::string(200, '\xee');
            }
        }
        CHECK_THAT(refused(), Contains("corrupt") && Contains(".recover"));
    }
    SECTION("no directory") {
        settings.path = directory + "/none/messages.db";
        CHECK_THAT(refused(), Contains("none does not exist; make it"));
    }
    SECTION("a directory in its place") {
        std::filesystem::create_directory(settings.path);
        CHECK_FALSE(refused().empty());
    }
    SECTION("not writable") {
        if (geteuid() == 0) return;  // who may everything
        REQUIRE(chmod(directory.c_str(), 0500) == 0);
        CHECK_THAT(refused(), Contains("needs read and write access"));
        chmod(directory.c_str(), 0700);
    }
}

TEST_CASE_METHOD(SqliteFixture, "an empty file is brought to the present version", "[sqlite]") {
    std::ofstream(settings.path).close();
    open();
    publish("a");
    CHECK(ask("PRAGMA user_version") == schema_version);
    CHECK(ask("PRAGMA auto_vacuum") == 2);
}

TEST_CASE_METHOD(SqliteFixture, "a log that was lost with the power is known to be lost", "[sqlite]") {
    settings.full = false;
    open();
    if (GENERATE(false, true)) open();  // also of a file that was closed in good order before
    const Position third = [&] {
        publish("a");
        publish("b");
        return publish("c").position;
    }();
    // What the disk has for sure, after another start of the machine.
    const std::string left = directory + "/left.db";
    std::filesystem::copy_file(settings.path, left);
    broker.reset();
    settings.path = left;
    sql("UPDATE state SET boot = 'another'");
    open();
    for (int i = 0; i < 3; ++i) CHECK(publish("d").position.epoch != third.epoch);
}

TEST_CASE_METHOD(SqliteFixture, "a file has a bound, and loses nothing at it", "[sqlite]") {
    settings.most_file_bytes = 256 << 10;
    retention = {100'000, 60'000, 0};
    open();
    const std::string large(4000, 'x');
    size_t kept = 0;
    Receipt refused;
    for (int i = 0; i < 200 && refused.because.empty(); ++i) {
        const Receipt receipt = publish(large);
        if (receipt.status == Receipt::Status::accepted) {
            ++kept;
        } else {
            refused = receipt;
        }
    }
    CHECK(refused.status == Receipt::Status::unavailable);
    CHECK_THAT(refused.because, Contains("broker.max_database"));
    CHECK(kept > 10);
    CHECK(all().messages.size() == kept);
    CHECK(broker->totals().disk->database_bytes <= settings.most_file_bytes);
    pass(60'001);
    tidy_until([&] { return ask("SELECT count(*) FROM message") == 0; });
    CHECK(publish("again").status == Receipt::Status::accepted);
    // One that is larger already opens, and does not grow.
    settings.most_file_bytes = 8192;
    open();
    CHECK(all().messages.size() == 1);
}
