#include "dsl/text/source.h"

#include <algorithm>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr uint32_t step = 4096;  // bytes between two counts of characters

bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

uint32_t characters_before(const SourceFile& file, uint32_t offset) {
    const auto end = std::min(offset, static_cast<uint32_t>(file.text.size()));
    uint32_t count = file.characters[end / step];
    for (uint32_t i = end / step * step; i < end; ++i) count += begins_character(file.text[i]) ? 1 : 0;
    return count;
}

}  // namespace

uint32_t Sources::add(std::string path, std::string text) {
    auto file = std::make_unique<SourceFile>();
    file->path = std::move(path);
    file->text = std::move(text);
    file->line_starts.push_back(0);
    uint32_t characters = 0;
    for (size_t i = 0; i < file->text.size(); ++i) {
        if (i % step == 0) file->characters.push_back(characters);
        characters += begins_character(file->text[i]) ? 1 : 0;
        if (file->text[i] == '\n') file->line_starts.push_back(static_cast<uint32_t>(i + 1));
    }
    if (file->text.size() % step == 0) file->characters.push_back(characters);
    files_.push_back(std::move(file));
    return static_cast<uint32_t>(files_.size() - 1);
}

std::string_view Sources::text(Span span) const {
    return std::string_view(files_[span.file]->text).substr(span.begin, span.end - span.begin);
}

std::string_view Sources::line(uint32_t file, uint32_t line) const {
    const SourceFile& f = *files_[file];
    if (line == 0 || line > f.line_starts.size()) return {};
    const size_t begin = f.line_starts[line - 1];
    size_t end = line < f.line_starts.size() ? f.line_starts[line] - 1 : f.text.size();
    if (end > begin && f.text[end - 1] == '\r') --end;
    return std::string_view(f.text).substr(begin, end - begin);
}

Position Sources::position(uint32_t file, uint32_t offset) const {
    const SourceFile& f = *files_[file];
    const auto after = std::upper_bound(f.line_starts.begin(), f.line_starts.end(), offset);
    const auto index = static_cast<uint32_t>(after - f.line_starts.begin());
    const uint32_t start = f.line_starts[index - 1];
    const uint32_t end = std::min(std::max(offset, start), static_cast<uint32_t>(f.text.size()));
    if (end - start > step) return {index, 1 + characters_before(f, end) - characters_before(f, start)};
    const auto first = f.text.begin() + start;
    const auto column = std::count_if(first, first + (end - start), begins_character);
    return {index, 1 + static_cast<uint32_t>(column)};
}

std::string Sources::place(Span span) const {
    const Position at = position(span.file, span.begin);
    return printable(file(span.file).path) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

}  // namespace wayleave::dsl
