#include "dsl/syntax/parse.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "dsl/syntax/build_ast.h"
#include "dsl/syntax/grammar.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// What the rules of the grammar write to: the tree, the mistakes, and how deep they are.
class ParseState {
  public:
    ParseState(const SourceFile& source, uint32_t file, Diagnostics& diagnostics)
        : source_(source), text_(source.text), file_(file), diagnostics_(diagnostics) {}

    size_t depth = 0;

    [[nodiscard]] const SyntaxTree& tree() const { return tree_; }
    [[nodiscard]] SyntaxTree take_tree() { return std::move(tree_); }
    [[nodiscard]] const std::vector<Span>& holes() const { return holes_; }
    [[nodiscard]] size_t mark() const { return tree_.size(); }

    void begin_node(NodeKind kind, size_t at) {
        open_.push_back(tree_.size());
        tree_.push_back({kind, offset(at), 0, 0});
    }
    void end_node(size_t at) {
        SyntaxNode& node = tree_[open_.back()];
        node.end = offset(at == blank_end_ ? blank_begin_ : at);
        node.next = offset(tree_.size());
        open_.pop_back();
    }
    void drop_node() {
        tree_.resize(open_.back());
        open_.pop_back();
    }

    void begin_blank(size_t at) { blank_start_ = at; }
    void end_blank(size_t at) {
        if (blank_start_ != blank_end_) blank_begin_ = blank_start_;  // else a blank directly behind a blank
        blank_end_ = at;
    }

    [[noreturn]] void raise(const Complaint& complaint, size_t at) const {
        const uint32_t context = open_.empty() ? offset(at) : tree_[open_.back()].begin;
        throw SyntaxError{offset(at), context, &complaint};
    }

    // --- recovery ---

    size_t begin_statement(size_t at) {
        statement_ = at;
        return mark();
    }
    void give_up(const SyntaxError& error, size_t mark, size_t start, size_t end) {
        tree_.resize(mark);
        holes_.push_back(span(start, end));
        record(explain(error, source_, file_, offset(start)));
    }
    [[nodiscard]] size_t behind_statement(size_t start, Words words) const {
        const bool item = words.data() == keywords::item.data();
        return item ? next_item(text_, start) : next_statement(text_, start, words);
    }
    [[nodiscard]] size_t brace_after(const SyntaxError& error) const {
        return block_brace(text_, error.offset);
    }

    // Where the block begins, if one does. One whose `{` alone is missing is reported, and gone into.
    std::optional<size_t> open_block(size_t at, bool brace, Words words);
    [[nodiscard]] bool ends_block(size_t open, size_t at, Words words) const;
    bool close_block(size_t open, size_t at);  // is there a `}`?

  private:
    static uint32_t offset(size_t at) { return static_cast<uint32_t>(at); }
    [[nodiscard]] Span span(size_t begin, size_t end) const { return {file_, offset(begin), offset(end)}; }

    // One mistake, one message: what is noticed twice at one place is a consequence.
    void record(Diagnostic diagnostic) {
        if (last_ == diagnostic.primary.span.begin) return;
        last_ = diagnostic.primary.span.begin;
        Diagnostic& added =
            diagnostics_.error(diagnostic.id, diagnostic.primary.span, std::move(diagnostic.message),
                               std::move(diagnostic.primary.text), std::move(diagnostic.help));
        added.secondary = std::move(diagnostic.secondary);
    }

    const SourceFile& source_;
    std::string_view text_;
    uint32_t file_;
    Diagnostics& diagnostics_;
    SyntaxTree tree_;
    std::vector<Span> holes_;   // what was given up
    std::vector<size_t> open_;  // indices of nodes that are not complete
    size_t blank_start_ = 0;    // of the blank being matched
    size_t blank_begin_ = 0;    // of the last one: there the token before it ends
    size_t blank_end_ = 0;
    size_t statement_ = 0;
    size_t blocks_ = 0;
    std::optional<size_t>
        suspect_;                 // the `{` whose `}` stood further left: probably the one that is not closed
    std::optional<size_t> last_;  // place of the last mistake
};

std::optional<size_t> ParseState::open_block(size_t at, bool brace, Words words) {
    if (!brace) {
        if (!first_on_line(text_, at) || begins_item(text_, at) || !begins_statement(text_, at, words))
            return {};
        const size_t before = previous_token_end(text_, statement_, at);
        record({"E001", Severity::error, "expected `{`", {span(before, before), {}}, {}, {}});
        at = before;
    }
    ++blocks_;
    return at;
}

bool ParseState::ends_block(size_t open, size_t at, Words words) const {
    if (at >= text_.size() || text_[at] == '}') return true;
    if (begins_item(text_, at) && !keywords::holds(words, word_at(text_, at)))
        return true;  // `let` may be both
    // A statement of the block around, indented like it.
    return blocks_ > 1 && first_on_line(text_, at) && indentation(text_, at) <= indentation(text_, open) &&
           !begins_statement(text_, at, words) && begins_statement(text_, at, keywords::body);
}

bool ParseState::close_block(size_t open, size_t at) {
    --blocks_;
    if (at < text_.size() && text_[at] == '}') {
        const bool too_far_left =
            first_on_line(text_, at) && indentation(text_, at) < indentation(text_, open);
        if (too_far_left && !suspect_) suspect_ = open;
        return true;
    }
    const bool eof = at >= text_.size();
    const size_t before = previous_token_end(text_, open, at);
    Diagnostic diagnostic{"E001", Severity::error, {}, {}, {}, {}};
    diagnostic.message =
        eof ? "unexpected end of file: expected `}`" : "expected `}` before " + quoted(word_at(text_, at));
    diagnostic.primary.span = eof ? span(before, before) : span(at, at + word_at(text_, at).size());
    const size_t culprit = suspect_.value_or(open);
    diagnostic.secondary.push_back({span(culprit, culprit + 1), "this `{` is not closed"});
    suspect_.reset();
    record(std::move(diagnostic));
    return false;
}

template <class Rule>
concept MakesNode = requires {
    Rule::node_kind;
};

template <class Rule>
struct Control : tao::pegtl::normal<Rule> {
    static constexpr bool is_blank = std::is_same_v<Rule, grammar::blank>;
    static constexpr bool enable = MakesNode<Rule> || is_blank;

    template <class Input>
    static void start(const Input& in, ParseState& state) {
        if constexpr (is_blank) {
            state.begin_blank(in.byte());
        } else if constexpr (MakesNode<Rule>) {
            state.begin_node(Rule::node_kind, in.byte());
        }
    }

    template <class Input>
    static void success(const Input& in, ParseState& state) {
        if constexpr (is_blank) {
            state.end_blank(in.byte());
        } else {
            state.end_node(in.byte());
        }
    }

    template <class Input>
    static void failure(const Input&, ParseState& state) {
        if constexpr (!is_blank) state.drop_node();
    }

    template <class Input>
    static void unwind(const Input&, ParseState& state) {
        if constexpr (!is_blank) state.drop_node();
    }

    template <class Input>
    [[noreturn]] static void raise(const Input& in, ParseState& state) {
        state.raise(Rule::complaint, in.byte());
    }
};

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// What is not text was reported by whoever loaded it; its syntax would be noise. A byte order mark is only
// skipped.
bool refused(uint32_t file, const Diagnostics& diagnostics) {
    return std::any_of(diagnostics.all().begin(), diagnostics.all().end(), [&](const Diagnostic& diagnostic) {
        return diagnostic.severity == Severity::error && diagnostic.primary.span.file == file &&
               !(diagnostic.primary.span == Span{file, 0, byte_order_mark.size()});
    });
}

SyntaxTree parse_file(const SourceFile& source, uint32_t file, Diagnostics& diagnostics, ast::File& out) {
    using Input =
        tao::pegtl::memory_input<tao::pegtl::tracking_mode::lazy, tao::pegtl::eol::lf_crlf, const char*>;
    Input in(source.text.data(), source.text.size(), "");
    if (source.text.starts_with(byte_order_mark)) in.bump(byte_order_mark.size());
    ParseState state(source, file, diagnostics);
    (void)tao::pegtl::parse<grammar::file, tao::pegtl::nothing, Control>(in, state);
    build_ast(state.tree(), source, file, diagnostics, out);
    out.holes.insert(out.holes.end(), state.holes().begin(), state.holes().end());
    return state.take_tree();
}

}  // namespace

ast::File parse(const Sources& sources, Diagnostics& diagnostics) {
    ast::File out;
    std::vector<uint32_t> files;
    out.whole = diagnostics.errors() == 0;
    for (uint32_t file = 0; file < sources.size(); ++file) {
        if (!refused(file, diagnostics)) files.push_back(file);
    }
    for (const uint32_t file : files) (void)parse_file(sources.file(file), file, diagnostics, out);
    diagnostics.sort();
    return out;
}

SyntaxTree parse_syntax(const Sources& sources, uint32_t file, Diagnostics& diagnostics) {
    ast::File unused;
    SyntaxTree tree = parse_file(sources.file(file), file, diagnostics, unused);
    diagnostics.sort();
    return tree;
}

}  // namespace wayleave::dsl
