// The text of a policy and places in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wayleave::dsl {

// A piece of a source file: byte offsets, end exclusive. A value; it means nothing without its Sources.
struct Span {
    uint32_t file = 0;
    uint32_t begin = 0;
    uint32_t end = 0;

    friend bool operator==(const Span&, const Span&) = default;
};

// Line and column count from 1; the column counts characters (UTF-8), as editors do.
struct Position {
    uint32_t line = 1;
    uint32_t column = 1;
};

// One policy file, read whole.
struct SourceFile {
    std::string path;  // as the user named it: it is printed in diagnostics
    std::string text;
    std::vector<uint32_t> line_starts;
    // Characters before each 4096th byte: a line may be long, and places are asked for often.
    std::vector<uint32_t> characters;
};

// All files of one policy. Views into `text` stay valid for the lifetime of the object, also when files are
// added.
class Sources {
  public:
    uint32_t add(std::string path, std::string text);

    [[nodiscard]] size_t size() const { return files_.size(); }
    [[nodiscard]] const SourceFile& file(uint32_t index) const { return *files_[index]; }
    [[nodiscard]] std::string_view text(Span span) const;
    [[nodiscard]] std::string_view line(uint32_t file, uint32_t line) const;  // without its end
    [[nodiscard]] Position position(uint32_t file, uint32_t offset) const;
    [[nodiscard]] std::string place(Span span) const;  // "chat.route:12:5"

  private:
    std::vector<std::unique_ptr<SourceFile>> files_;
};

}  // namespace wayleave::dsl
