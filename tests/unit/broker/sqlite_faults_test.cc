#include <sys/resource.h>

#include <csignal>

#include "tests/unit/broker/sqlite_fixture.h"

using namespace wayleave;
using Catch::Matchers::Contains;

namespace {

// No file of this process grows beyond so many bytes, as on a disk that is full.
class SmallFiles {
  public:
    explicit SmallFiles(rlim_t bytes) {
        signal(SIGXFSZ, SIG_IGN);
        REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit small{bytes, before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    }
    ~SmallFiles() { setrlimit(RLIMIT_FSIZE, &before_); }
    SmallFiles(const SmallFiles&) = delete;
    SmallFiles& operator=(const SmallFiles&) = delete;

  private:
    rlimit before_{};
};

}  // namespace

TEST_CASE_METHOD(SqliteFixture, "a full disk refuses publishers, and is recovered from", "[sqlite]") {
    open();
    broker->subscribe(worker, "room");
    const Receipt first = publish("a", "id-a");
    (void)box.take();
    {
        const SmallFiles full(std::filesystem::file_size(settings.path + "-wal") + 1000);
        const Receipt failed = publish("b", "id-b");
        CHECK(failed.status == Receipt::Status::unavailable);
        CHECK_THAT(failed.because, Contains("the disk"));
        CHECK(publish("c").status == Receipt::Status::unavailable);
        CHECK(acknowledge("ann", first.position).status == Receipt::Status::unavailable);
        CHECK(box.take().empty());
        CHECK(brief(all().messages) == "1=a");  // reading goes on
        CHECK(broker->totals().disk->failures >= 3);
        CHECK(broker->totals().disk->failing);
        retention = {};
        CHECK(publish("not kept").status == Receipt::Status::accepted);
        CHECK(brief(box.take()) == "0=not kept");
        retention = {100, 3'600'000, 60'000};
    }
    pass(1000);
    const Receipt after = publish("b", "id-b");
    CHECK_FALSE(broker->totals().disk->failing);
    CHECK(after.status == Receipt::Status::accepted);  // its id was not kept either
    CHECK(after.position == Position{first.position.epoch, 2});
    CHECK(progress("ann").acknowledged == 0);
    CHECK(brief(box.take()) == "2=b");
    broker.reset();
    REQUIRE(reports.size() == 2);
    CHECK_THAT(reports[0], Contains("bad: ") && Contains("messages cannot be stored"));
    CHECK_THAT(reports[1], Contains("good: "));
    open();
    CHECK(brief(all().messages) == "1=a 2=b");
}

TEST_CASE_METHOD(SqliteFixture, "a lock of another program makes publishers wait, then refuses them",
                 "[sqlite]") {
    open();
    publish("a");
    {
        Database other(settings.path, Database::Mode::write);
        const Transaction held(other);
        const Receipt failed = publish("b");
        CHECK(failed.status == Receipt::Status::unavailable);
        CHECK_THAT(failed.because, Contains("another program holds a lock"));
    }
    CHECK(publish("c").position.offset == 2);
}

TEST_CASE_METHOD(SqliteFixture, "a database that is moved away under the daemon is noticed", "[sqlite]") {
    open();
    publish("a");
    std::filesystem::rename(settings.path, settings.path + ".away");
    const Receipt failed = publish("b");
    CHECK(failed.status == Receipt::Status::unavailable);
    CHECK_THAT(failed.because, Contains("moved or deleted"));
    std::filesystem::rename(settings.path + ".away", settings.path);
    CHECK(publish("c").position.offset == 2);
}

TEST_CASE_METHOD(SqliteFixture, "the log of the database stays small", "[sqlite]") {
    retention.history = 100;
    open();
    uint64_t largest = 0;
    const std::string text(20'000, 'x');
    for (int i = 0; i < 4000; ++i) {
        (void)broker->publish(draft(text), {worker, ++ticket});
        if (i % 500 == 499) {
            publish(text);
            largest = std::max<uint64_t>(largest, std::filesystem::file_size(settings.path + "-wal"));
        }
    }
    CHECK(largest < (uint64_t{96} << 20U));
    CHECK(all().messages.size() == 100);
    broker.reset();
    CHECK_FALSE(std::filesystem::exists(settings.path + "-wal"));
}

TEST_CASE_METHOD(SqliteFixture, "free pages go back to the file system", "[sqlite]") {
    retention = {100'000, 60'000, 0};
    open();
    const std::string text(5000, 'x');
    for (int i = 0; i < 3000; ++i) (void)broker->publish(draft(text), {worker, ++ticket});
    publish("last");
    const int64_t before = ask("PRAGMA page_count");
    pass(60'001);
    tidy_until([&] { return ask("PRAGMA page_count") < before / 3; });
}
