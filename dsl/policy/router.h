// Finds the route of an address. Where several match, the narrowest wins; add() refuses two of which neither
// is.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dsl/policy/pattern.h"

namespace wayleave::dsl {

constexpr size_t max_path_segments = 32;
constexpr size_t max_captures = 16;

// A segment of a path, or a label of a host, in an address pattern.
struct AddressSegment {
    enum class Kind : uint8_t { text, capture, rest };

    Kind kind = Kind::text;
    std::string text;
    CaptureType type = CaptureType::any;  // of a capture; `*` is a capture without a slot
    int slot = -1;                        // which fact it gives

    friend bool operator==(const AddressSegment&, const AddressSegment&) = default;
};

struct AddressPattern {
    std::vector<AddressSegment> host;  // empty: any
    std::vector<AddressSegment> path;
    bool trailing_slash = false;
};

struct RouteMatch {
    uint32_t route = 0;
    uint32_t address = 0;  // its number
    // By slot; views into the host and path that were looked up.
    std::array<std::string_view, max_captures> captures{};
    std::array<CaptureType, max_captures> types{};
};

class Router {
  public:
    Router();
    ~Router();
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;

    struct Conflict {
        uint32_t address;     // the other's number, as add() counted
        bool same = false;    // it is the same address
        std::string example;  // an address that both match
    };
    // Addresses are numbered from 0 in the order of add().
    [[nodiscard]] std::optional<Conflict> add(const AddressPattern& pattern, uint32_t route);

    // For each address that narrower ones of its host lie in: how many, and the first of them.
    struct Overlap {
        uint32_t wide = 0;
        uint32_t narrow = 0;
        size_t count = 0;
        std::string example;  // goes to the narrower one
    };
    [[nodiscard]] std::vector<Overlap> overlaps() const;

    // `host` is lower case and without a port; `path` is decoded and begins with a slash.
    [[nodiscard]] bool find(std::string_view host, std::string_view path, RouteMatch& match) const;

  private:
    struct Tree;
    struct HostEntry;
    std::vector<std::unique_ptr<HostEntry>> wild_hosts_;  // the narrowest first
    std::unordered_map<std::string_view, HostEntry*> exact_hosts_;
    std::vector<std::unique_ptr<HostEntry>> owned_;
    std::unique_ptr<HostEntry> any_host_;
    struct Entry {
        AddressPattern pattern;
        uint32_t route;
    };
    std::vector<Entry> addresses_;
    std::map<uint32_t, Overlap> overlaps_;  // by the wide one

    void note_overlap(uint32_t wide, uint32_t narrow);
    HostEntry& entry(const std::vector<AddressSegment>& host);
};

}  // namespace wayleave::dsl
