#include "dsl/policy/list_change.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace wayleave::dsl {
namespace {

constexpr size_t most_shown = 8;  // values of a list

using List = std::vector<std::string_view>;

// A line as what stands around its lists, and the lists.
struct Parts {
    std::vector<std::string_view> around;  // one more than lists
    std::vector<List> lists;
};

size_t end_of_text(std::string_view line, size_t quote) {
    for (size_t i = quote + 1; i < line.size(); ++i) {
        if (line[i] == '\\')
            ++i;
        else if (line[i] == '"')
            return i;
    }
    return line.size();
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

// A list's braces hold no others. `{room}` of a pattern is one of a single value, and stays as it is.
Parts parts_of(std::string_view line) {
    Parts out;
    size_t from = 0;
    size_t open = std::string_view::npos;
    size_t value = 0;
    List list;
    for (size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"') {
            i = end_of_text(line, i);
        } else if (c == '{') {
            open = i;
            value = i + 1;
            list.clear();
        } else if (open != std::string_view::npos && (c == ',' || c == '}')) {
            list.push_back(trimmed(line.substr(value, i - value)));
            value = i + 1;
            if (c != '}') continue;
            out.around.push_back(line.substr(from, open - from));
            out.lists.push_back(std::exchange(list, {}));
            from = i + 1;
            open = std::string_view::npos;
        }
    }
    out.around.push_back(line.substr(from));
    return out;
}

std::string joined(const List& list) {
    std::string out;
    for (size_t i = 0; i < std::min(list.size(), most_shown); ++i) {
        out += i == 0 ? "" : ", ";
        out += list[i];
    }
    return out + (list.size() > most_shown ? ", ..." : "");
}

std::string as_written(const List& list) {
    return "{ " + joined(list) + " }";
}

std::string short_list(const List& list) {
    if (list.size() > most_shown) return "{ " + std::to_string(list.size()) + " values }";
    return as_written(list);
}

List missing(const List& from, const List& in) {
    List out;
    std::set_difference(from.begin(), from.end(), in.begin(), in.end(), std::back_inserter(out));
    return out;
}

std::string change_of(List before, List after) {
    if (before == after) return short_list(after);
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    const List added = missing(after, before);
    const List removed = missing(before, after);
    std::string out =
        "{ +" + std::to_string(added.size()) + " -" + std::to_string(removed.size()) + " values:";
    if (!added.empty()) out += " + " + joined(added);
    if (!removed.empty()) out += " - " + joined(removed);
    return out + " }";
}

}  // namespace

std::string shortened(std::string_view line) {
    const Parts parts = parts_of(line);
    const bool any = std::any_of(parts.lists.begin(), parts.lists.end(),
                                 [](const List& list) { return list.size() > most_shown; });
    if (!any) return std::string(line);
    std::string out(parts.around.front());
    for (size_t i = 0; i < parts.lists.size(); ++i) {
        out += short_list(parts.lists[i]);
        out += parts.around[i + 1];
    }
    return out;
}

std::string skeleton_of(std::string_view line) {
    const Parts parts = parts_of(line);
    if (std::all_of(parts.lists.begin(), parts.lists.end(),
                    [](const List& list) { return list.size() <= most_shown; }))
        return {};
    std::string out;
    for (const std::string_view piece : parts.around) out.append(piece) += '\0';
    return out;
}

std::string with_list_changes(std::string_view before, std::string_view after) {
    const Parts was = parts_of(before);
    const Parts is = parts_of(after);
    if (was.around != is.around) return {};
    bool any = false;
    std::string out(is.around.front());
    for (size_t i = 0; i < is.lists.size(); ++i) {
        any |= was.lists[i] != is.lists[i] && std::max(was.lists[i].size(), is.lists[i].size()) > most_shown;
        out += change_of(was.lists[i], is.lists[i]);
        out += is.around[i + 1];
    }
    return any ? out : std::string();
}

}  // namespace wayleave::dsl
