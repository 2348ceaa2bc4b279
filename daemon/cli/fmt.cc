#include <fmt/format.h>
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "daemon/cli/commands.h"
#include "daemon/cli/replace_file.h"
#include "daemon/cli/terminal.h"
#include "dsl/format/format.h"
#include "dsl/syntax/load.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr int would_change = 1;

struct FmtOptions {
    bool check = false;
    std::vector<std::string> paths;
};

// A policy that is named is loaded as lint and serve load it, and with the same complaints.
class Formatter {
  public:
    explicit Formatter(bool check) : check_(check) {}

    void add(const std::string& path) { dsl::load_policy(path, sources_, diagnostics_); }
    bool add_input() {
        std::string text;
        char block[65536];
        while (const size_t n = std::fread(block, 1, sizeof block, stdin)) {
            text.append(block, n);
            if (text.size() > dsl::LoadLimits().file_bytes) return complain("the input is too large"), false;
        }
        if (std::ferror(stdin) != 0) return complain("cannot read the input"), false;
        dsl::load_text("standard input", std::move(text), sources_, diagnostics_);
        return true;
    }

    int run(bool filter) {
        for (uint32_t file = 0; file < sources_.size(); ++file) {
            const auto made = dsl::format(sources_, file, diagnostics_);
            if (!made) {
                refuse(file, made.error());
            } else if (filter && !check_) {
                print(*made);
            } else if (*made != sources_.file(file).text) {
                change(sources_.file(file).path, *made, filter);
            }
        }
        write_text(stderr, render(diagnostics_, sources_, colour_wanted(stderr)));
        if (failed_ || diagnostics_.errors() > 0) return exit_broken;
        return check_ && changed_ ? would_change : EX_OK;
    }

  private:
    void refuse(uint32_t file, dsl::FormatFault why) {
        failed_ = true;
        if (why == dsl::FormatFault::mistakes) return;
        complain(
            sources_.file(file).path +
            ": a bug, please report it: the formatted text would not mean the same, so nothing was written");
    }
    void print(const std::string& text) {
        write_text(stdout, text);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
            complain("cannot write the output");
            failed_ = true;
        }
    }
    void change(const std::string& path, const std::string& text, bool filter) {
        changed_ = true;
        if (!check_ && !filter) {
            if (const Status written = replace_file(path, text); !written) {
                complain(dsl::printable(path) + ": " + written.error());
                failed_ = true;
                return;
            }
        }
        write_text(stdout, dsl::printable(path) + "\n");
    }

    bool check_;
    dsl::Sources sources_;
    dsl::Diagnostics diagnostics_;
    bool changed_ = false;
    bool failed_ = false;
};

int format_paths(const FmtOptions& options) {
    const bool filter = std::find(options.paths.begin(), options.paths.end(), "-") != options.paths.end();
    if (filter && options.paths.size() > 1) {
        complain("`-` stands alone: it is standard input");
        return EX_USAGE;
    }
    Formatter formatter(options.check);
    if (filter) return formatter.add_input() ? formatter.run(true) : exit_broken;
    for (const std::string& path : options.paths) formatter.add(path);
    return formatter.run(false);
}

}  // namespace

void add_fmt(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("fmt", "Write policy files in the one style; what they mean stays.");
    auto options = std::make_shared<FmtOptions>();
    command->add_flag("--check", options->check, "Write nothing; name the files that would change");
    command
        ->add_option("PATH", options->paths,
                     "Files, or directories of *.route files; - filters standard input")
        ->required();
    command->footer(
        "Names the files that it changes.\n"
        "Exit status: 0 formatted, 1 --check found files that would change, 2 errors, 64 wrong usage.");
    command->callback([options, &exit_code] { exit_code = format_paths(*options); });
}

}  // namespace wayleave
