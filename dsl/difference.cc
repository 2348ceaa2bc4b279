#include "dsl/difference.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace wayleave::dsl {
namespace {

std::vector<Meaning> missing(const std::vector<Meaning>& from, const std::vector<Meaning>& in) {
    std::vector<Meaning> out;
    std::set_difference(from.begin(), from.end(), in.begin(), in.end(), std::back_inserter(out));
    return out;
}

void lines(std::string& out, const std::vector<Meaning>& list, std::string_view sign) {
    for (const Meaning& line : list) {
        out += "    " + std::string(sign) + " " + line.text;
        if (!line.place.empty()) out += "    # " + line.place;
        out += "\n";
    }
}

}  // namespace

std::vector<SectionChange> difference(const Policy& before, const Policy& after) {
    using enum SectionChange::Kind;
    std::map<std::string, std::pair<const Section*, const Section*>> both;
    const std::vector<Section> old_sections = sections(before);
    const std::vector<Section> new_sections = sections(after);
    for (const Section& section : old_sections) both[section.name].first = &section;
    for (const Section& section : new_sections) both[section.name].second = &section;
    std::vector<SectionChange> out;
    for (const auto& [name, pair] : both) {
        const auto& [was, is] = pair;
        if (!is) {
            out.push_back({removed, name, was->lines, {}});
        } else if (!was) {
            out.push_back({added, name, {}, is->lines});
        } else if (was->lines != is->lines) {
            out.push_back({changed, name, missing(was->lines, is->lines), missing(is->lines, was->lines)});
        }
    }
    return out;
}

std::string text_of(const std::vector<SectionChange>& changes) {
    std::string out;
    for (const SectionChange& change : changes) {
        const std::string_view sign = change.kind == SectionChange::Kind::added     ? "+ "
                                      : change.kind == SectionChange::Kind::removed ? "- "
                                                                                    : "~ ";
        out += std::string(sign) + change.name + "\n";
        lines(out, change.removed, "-");
        lines(out, change.added, "+");
    }
    return out;
}

}  // namespace wayleave::dsl
