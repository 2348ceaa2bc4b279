#include <algorithm>

#include "dsl/compile/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

class AddressBuilder {
  public:
    AddressBuilder(std::vector<CaptureName>& captures, Diagnostics& diagnostics)
        : captures_(captures), diagnostics_(diagnostics) {}

    std::optional<AddressSegment> segment(const ast::Segment& segment) {
        using enum ast::Segment::Kind;
        switch (segment.kind) {
            case text: return AddressSegment{AddressSegment::Kind::text, std::string(segment.text)};
            case any: return AddressSegment{AddressSegment::Kind::capture, {}};
            case rest: return AddressSegment{AddressSegment::Kind::rest, {}};
            case insert:
                diagnostics_.error("E001", segment.span, "an address has no `{…}`", {},
                                   "`:name` catches a segment");
                return std::nullopt;
            case capture: break;
        }
        return caught(segment);
    }

  private:
    std::optional<AddressSegment> caught(const ast::Segment& segment) {
        AddressSegment out{AddressSegment::Kind::capture, {}};
        if (segment.narrow) {
            const auto type = capture_type(segment.narrow->text);
            if (!type) {
                diagnostics_.error("E002", segment.narrow->span,
                                   "a capture cannot be " + quoted(segment.narrow->text), {},
                                   "int, slug, uuid, hex and date are the types of captures");
                return std::nullopt;
            }
            out.type = *type;
        }
        if (std::find(mine_.begin(), mine_.end(), segment.capture.text) != mine_.end()) {
            diagnostics_.error("E005", segment.span,
                               "the capture " + quoted(segment.capture.text) + " stands twice");
            return std::nullopt;
        }
        mine_.push_back(segment.capture.text);
        const auto it = std::find_if(captures_.begin(), captures_.end(), [&](const CaptureName& known) {
            return known.name == segment.capture.text;
        });
        out.slot = static_cast<int>(it - captures_.begin());
        if (it == captures_.end()) {
            captures_.push_back({segment.capture.text, out.type, segment.capture.span});
        } else if (value_type(it->type) != value_type(out.type)) {
            auto& diagnostic = diagnostics_.error("E003", segment.span,
                                                  "the capture is of another type than in the other address");
            diagnostic.secondary.push_back({it->span, "the other one"});
        }
        return out;
    }

    std::vector<CaptureName>& captures_;
    Diagnostics& diagnostics_;
    std::vector<std::string_view> mine_;
};

}  // namespace

size_t count_captures(const AddressPattern& address) {
    size_t count = 0;
    for (const AddressSegment& label : address.host) count += label.slot >= 0 ? 1 : 0;
    for (const AddressSegment& segment : address.path) count += segment.slot >= 0 ? 1 : 0;
    return count;
}

AddressPattern compile_address(const ast::Url& url, std::vector<CaptureName>& captures,
                               Diagnostics& diagnostics) {
    AddressPattern out;
    AddressBuilder builder(captures, diagnostics);
    for (const ast::Segment& label : url.host) {
        if (label.kind == ast::Segment::Kind::rest) {
            diagnostics.error("E001", label.span, "a host has no `**`", {}, "`*` stands for one label");
        } else if (auto made = builder.segment(label)) {
            out.host.push_back(std::move(*made));
        }
    }
    for (const ast::Segment& segment : url.path) {
        if (auto made = builder.segment(segment)) out.path.push_back(std::move(*made));
    }
    out.trailing_slash = url.trailing_slash;
    if (out.path.size() > max_path_segments || out.host.size() > max_path_segments) {
        diagnostics.error("E001", url.span, "an address has at most 32 segments");
    }
    if (captures.size() > max_captures)
        diagnostics.error("E001", url.span, "an address has at most 16 captures");
    return out;
}

}  // namespace wayleave::dsl
