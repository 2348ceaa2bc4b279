// The catalogue of checks against the code: every id that is told has a page, every page's examples do what
// they say.
#include "dsl/text/catalogue.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "daemon/identity/sign.h"
#include "daemon/ops/lint/report.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

using Ids = std::set<std::string, std::less<>>;

const int64_t today = 20'000;  // 2024-10-04

// A directory with the files that examples name.
class Examples : public KeyDirectory {
  public:
    Examples() {
        for (const char* name : {"/keys", "/lists", "/routes.d"})
            std::filesystem::create_directory(path() + name);
        const std::string key = generate_key(Algorithm::EdDSA).value();
        (void)write("keys/app.jwks", key);
        (void)write("keys/open.jwks", key, 0644);
        (void)write("keys/app.whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        (void)write("keys/mixed.jwks", key.substr(0, key.rfind(']')) + R"(,{"kty":"EC","crv":"P-521"}]})");
        (void)write("lists/office.txt", "10.0.0.0/8\n");
    }

    // All that is told of it, with the daemon on loopback and with one that everybody reaches.
    [[nodiscard]] Ids told(const Check& check, std::string_view example) const {
        const std::string text = framed(check.frame, example);
        if (check.frame == dsl::Frame::settings) return told_of_settings(text);
        const std::string file = write("example.route", text);
        Ids out;
        for (const bool loopback : {true, false}) {
            const LintSurroundings surroundings{LintSurroundings::Listeners{loopback, false}, today};
            collect(lint_policy_paths({file}, surroundings), out);
        }
        return out;
    }

  private:
    [[nodiscard]] Ids told_of_settings(const std::string& text) const {
        (void)write("routes.d/a.route", "route a /a { auth = none }\n");
        const auto settings = load_settings(write("wayleave.toml", text));
        LintReport report;
        if (settings) {
            report.loaded = lint_runtime(*settings, today);
        } else {
            report.settings_errors = settings.error();
        }
        Ids out;
        for (const Finding& finding : findings_beside(report)) out.emplace(finding.id);
        collect(report.loaded, out);
        return out;
    }
    static void collect(const LoadedRuntime& loaded, Ids& out) {
        for (const Diagnostic& diagnostic : loaded.diagnostics.all()) out.emplace(diagnostic.id);
    }
};

std::string listed(const Ids& ids) {
    std::string out;
    for (const std::string& id : ids) out += id + " ";
    return out;
}

// Ids in quotes in the sources, but for the tables themselves.
Ids ids_in_code() {
    Ids out;
    const std::regex quoted_id("\"([EWN][0-9]{3})\"");
    for (const char* folder : {"/dsl", "/daemon"}) {
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(std::string(PROJECT_DIR) + folder)) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with("catalogue") || name == "lint.cc" || entry.path().extension() != ".cc")
                continue;
            std::ifstream file(entry.path());
            std::ostringstream text;
            text << file.rdbuf();
            const std::string code = text.str();
            for (std::sregex_iterator it(code.begin(), code.end(), quoted_id), end; it != end; ++it)
                out.insert((*it)[1]);
        }
    }
    return out;
}

}  // namespace

TEST_CASE("the catalogue is in order, and each page is whole", "[catalogue]") {
    Ids ids;
    Ids names;
    for (const Check& check : catalogue()) {
        INFO(check.id);
        CHECK(ids.emplace(check.id).second);
        CHECK(names.emplace(check.name).second);
        const char letter = check.id.front();
        CHECK(check.severity == (letter == 'E'   ? Severity::error
                                 : letter == 'W' ? Severity::warning
                                                 : Severity::note));
        for (const std::string_view text : {check.sentence, check.means, check.matters, check.todo}) {
            CHECK(text.size() > 10);
            CHECK((text.ends_with('.') || text.ends_with('"')));
        }
        CHECK(check.bad != check.good);
        CHECK(find_check(check.id) == &check);
        CHECK(find_check(check.name) == &check);
        CHECK(page(check).find(std::string(check.id) + " ") == 0);
    }
    CHECK(find_check("w301") == find_check("W301"));
    CHECK(find_check("W999") == nullptr);
    CHECK(find_check("") == nullptr);
}

TEST_CASE("every id of the code is in the catalogue, and every id of the catalogue in the code",
          "[catalogue]") {
    const Ids code = ids_in_code();
    CHECK(code.size() > 50);
    for (const std::string& id : code) {
        INFO(id);
        CHECK(find_check(id) != nullptr);
    }
    for (const Check& check : catalogue()) {
        INFO(check.id);
        CHECK(code.contains(check.id));
    }
}

TEST_CASE("every example does what its page says", "[catalogue]") {
    const Examples examples;
    for (const Check& check : catalogue()) {
        const Ids bad = examples.told(check, check.bad);
        INFO(check.id << "\n" << framed(check.frame, check.bad) << "\nyields " << listed(bad));
        CHECK(bad.contains(check.id));
        Ids good = examples.told(check, check.good);
        INFO(check.id << "\n" << framed(check.frame, check.good) << "\nyields " << listed(good));
        CHECK_FALSE(good.contains(check.id));
        CHECK((good.empty() || *good.begin() >= "N"));  // no error
    }
}
