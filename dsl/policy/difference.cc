#include "dsl/policy/difference.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "dsl/policy/consequences.h"
#include "dsl/policy/list_change.h"

namespace wayleave::dsl {
namespace {

std::vector<Meaning> missing(const std::vector<Meaning>& from, const std::vector<Meaning>& in) {
    std::vector<Meaning> out;
    std::set_difference(from.begin(), from.end(), in.begin(), in.end(), std::back_inserter(out));
    return out;
}

void line(std::string& out, std::string_view sign, const std::string& text, const std::string& place) {
    out += "    " + std::string(sign) + " " + text;
    if (!place.empty()) out += "    # " + place;
    out += "\n";
}

// A line that differs from an old one only within long lists is one line.
void lines(std::string& out, const SectionChange& change) {
    std::vector<bool> told(change.added.size(), false);
    std::multimap<std::string, size_t> long_ones;
    for (size_t i = 0; i < change.added.size(); ++i) {
        std::string skeleton = skeleton_of(change.added[i].text);
        if (!skeleton.empty()) long_ones.emplace(std::move(skeleton), i);
    }
    for (const Meaning& was : change.removed) {
        const auto same = long_ones.find(skeleton_of(was.text));
        const std::string both = same == long_ones.end()
                                     ? std::string()
                                     : with_list_changes(was.text, change.added[same->second].text);
        if (both.empty()) {
            line(out, "-", shortened(was.text), was.place);
            continue;
        }
        line(out, "~", both, change.added[same->second].place);
        told[same->second] = true;
        long_ones.erase(same);
    }
    for (size_t i = 0; i < change.added.size(); ++i)
        if (!told[i]) line(out, "+", shortened(change.added[i].text), change.added[i].place);
}

// A stream moves with its backend, too, whose block is another.
void add_consequences(const Policy& before, const Policy& after, std::vector<SectionChange>& out) {
    for (const auto& is : after.routes) {
        const Route* was = before.route(is->name);
        if (!was) continue;
        std::vector<std::string> sentences = consequences(before, *was, after, *is);
        if (sentences.empty()) continue;
        const std::string name = "route " + is->name;
        auto it = std::find_if(out.begin(), out.end(),
                               [&](const SectionChange& change) { return change.name == name; });
        if (it == out.end()) it = out.insert(it, {SectionChange::Kind::changed, name, {}, {}});
        it->consequences = std::move(sentences);
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
    if (before.hash != after.hash) add_consequences(before, after, out);
    return out;
}

std::string text_of(const std::vector<SectionChange>& changes) {
    std::string out;
    for (const SectionChange& change : changes) {
        const std::string_view sign = change.kind == SectionChange::Kind::added     ? "+ "
                                      : change.kind == SectionChange::Kind::removed ? "- "
                                                                                    : "~ ";
        out += std::string(sign) + change.name + "\n";
        lines(out, change);
        for (const std::string& sentence : change.consequences) out += "    = " + sentence + "\n";
    }
    return out;
}

}  // namespace wayleave::dsl
