// What grammar.h is made of beside PEGTL's own rules: words, nodes, messages, and how parsing survives a
// mistake. The parse state that the rules talk to is in parse.cc.
#pragma once

#include <array>
#include <string_view>
#include <tao/pegtl.hpp>
#include <tao/pegtl/contrib/analyze_traits.hpp>
#include <utility>

#include "dsl/syntax/recover.h"
#include "dsl/syntax/syntax_error.h"
#include "dsl/syntax/syntax_tree.h"
#include "dsl/syntax/words.h"

namespace wayleave::dsl::grammar {

using namespace tao::pegtl;
using Topic = Complaint::Topic;

// A string literal as a template argument: the words of the language stand in the grammar as they are typed.
template <size_t N>
struct Phrase {
    char text[N]{};

    consteval Phrase(const char (&literal)[N]) {
        for (size_t i = 0; i < N; ++i) text[i] = literal[i];
    }
    [[nodiscard]] constexpr std::string_view view() const { return {text, N - 1}; }
    static constexpr size_t size = N - 1;
};

template <Phrase w, class Indices>
struct characters;
template <Phrase w, size_t... I>
struct characters<w, std::index_sequence<I...>> {
    using rule = string<w.text[I]...>;
};
template <Phrase w>
struct exactly : characters<w, std::make_index_sequence<w.size>>::rule {};

// A rule that leaves a node in the tree. Never inside at<> or not_at<>: those rewind the input, not the tree.
template <NodeKind kind, class... Rules>
struct node : seq<Rules...> {
    static constexpr NodeKind node_kind = kind;
};

// --- messages ---

template <class Rule>
constexpr Words words_of() {
    if constexpr (requires { Rule::words; }) {
        return Rule::words;
    } else {
        return {};
    }
}

template <Phrase what, class Rule, Topic topic>
struct missing {
    static constexpr Complaint complaint{false, what.view(), {}, words_of<Rule>(), topic};
};

template <Phrase text, Phrase help, Topic topic>
struct wrong {
    static constexpr Complaint complaint{true, text.view(), help.view(), {}, topic};
};

template <const auto& known, Topic topic>
struct unknown {
    static constexpr Complaint complaint{true, {}, {}, known, topic};
};

// The point of no return: what follows must be `Rule`. Unlike must<>, the input is back at its start when
// this raises.
template <Phrase what, class Rule, Topic topic = Topic::token>
struct need : sor<Rule, raise<missing<what, Rule, topic>>> {};

// Here `Rule` is a mistake that people make.
template <Phrase text, Phrase help, class Rule, Topic topic = Topic::token>
struct refuse : sor<not_at<Rule>, raise<wrong<text, help, topic>>> {};

// --- how deep, and what next ---

constexpr size_t deepest = 64;
using too_deep = wrong<"nested deeper than 64 levels", "name the inner parts with `let`", Topic::token>;

// Counts the nesting, so that no input can exhaust the stack, here or in whoever walks the tree.
template <class Rule>
struct deeper {
    using rule_t = deeper;
    using subs_t = type_list<Rule>;

    template <apply_mode A, rewind_mode M, template <class...> class Action,
              template <class...> class Control, class Input, class State>
    static bool match(Input& in, State& state) {
        struct Level {
            size_t& depth;
            explicit Level(size_t& of) : depth(of) { ++depth; }
            ~Level() { --depth; }
        } const level(state.depth);
        if (level.depth > deepest) Control<too_deep>::raise(in, state);
        return Control<Rule>::template match<A, M, Action, Control>(in, state);
    }
};

// Looks ahead: does this line begin another statement? Then a name is missing here, and it is not that line's
// word. Only a name that equals a keyword, stands first on its line and is followed by no operator is thereby
// lost.
struct next_line_statement {
    using rule_t = next_line_statement;
    using subs_t = empty_list;

    template <class Input>
    static bool match(Input& in) {
        const std::string_view text(in.begin(), static_cast<size_t>(in.end() - in.begin()));
        const size_t at = in.byte();
        if (!first_on_line(text, at)) return false;
        for (const Words list : {Words(keywords::item), Words(keywords::body), Words(keywords::message),
                                 Words(keywords::token), Words(keywords::test)}) {
            if (begins_statement(text, at, list)) return true;
        }
        return false;
    }
};

// --- recovery ---

// One statement. A mistake in it is recorded, what it left in the tree taken back, and the input moved to the
// next.
template <class Statement>
struct recovering {
    using rule_t = recovering;
    using subs_t = type_list<Statement>;

    template <apply_mode A, rewind_mode M, template <class...> class Action,
              template <class...> class Control, class Input, class State>
    static bool match(Input& in, State& state) {
        const size_t start = in.byte();
        const size_t mark = state.begin_statement(start);
        try {
            return Control<Statement>::template match<A, rewind_mode::required, Action, Control>(in, state);
        } catch (const SyntaxError& error) {
            const size_t behind = state.behind_statement(start, Words(Statement::words));
            state.give_up(error, mark, start, behind);
            in.iterator() = in.begin() + behind;
            return true;
        }
    }
};

// What stands before a block. A mistake in it does not hide those in the block, if the block is plain to see.
template <class... Rules>
struct header {
    using rule_t = header;
    using subs_t = type_list<Rules...>;

    template <apply_mode A, rewind_mode M, template <class...> class Action,
              template <class...> class Control, class Input, class State>
    static bool match(Input& in, State& state) {
        const size_t start = in.byte();
        const size_t mark = state.mark();
        try {
            return Control<seq<Rules...>>::template match<A, M, Action, Control>(in, state);
        } catch (const SyntaxError& error) {
            const size_t brace = state.brace_after(error);
            if (brace == std::string_view::npos) throw;
            state.give_up(error, mark, start, brace);
            in.iterator() = in.begin() + brace;
            return true;
        }
    }
};

// --- words ---

struct comment : seq<one<'#'>, star<not_one<'\n'>>> {};
struct blank : star<sor<one<' ', '\t', '\n'>, string<'\r', '\n'>, comment>> {};
struct word_rest : sor<alnum, one<'_', '-'>> {};

template <Phrase w>
struct kw : seq<exactly<w>, not_at<word_rest>, blank> {};

template <Phrase w>
struct word_node : node<NodeKind::word, exactly<w>, not_at<word_rest>> {};
template <Phrase w>
struct word : seq<word_node<w>, blank> {};

template <Phrase... choices>
struct any_word : sor<word<choices>...> {
    static constexpr std::array<std::string_view, sizeof...(choices)> words{choices.view()...};
};

// `{ member … }`. Members are recovered one by one; a `}` that is missing is reported and then assumed.
template <class Member>
struct block {
    using rule_t = block;
    using subs_t = type_list<Member>;

    template <apply_mode A, rewind_mode M, template <class...> class Action,
              template <class...> class Control, class Input, class State>
    static bool match(Input& in, State& state) {
        const bool brace = !in.empty() && in.peek_char() == '{';
        const auto open = state.open_block(in.byte(), brace, Words(Member::words));
        if (!open) return false;
        if (brace) in.bump();
        const auto skip_blank = [&] {
            (void)Control<blank>::template match<A, M, Action, Control>(in, state);
        };
        skip_blank();
        while (!state.ends_block(*open, in.byte(), Words(Member::words))) {
            (void)Control<recovering<Member>>::template match<A, M, Action, Control>(in, state);
        }
        if (state.close_block(*open, in.byte())) in.bump();
        skip_blank();
        return true;
    }
};

}  // namespace wayleave::dsl::grammar

namespace tao::pegtl {

template <class Name, class Rule>
struct analyze_traits<Name, wayleave::dsl::grammar::deeper<Rule>>
    : analyze_traits<Name, typename Rule::rule_t> {};
template <class Name>
struct analyze_traits<Name, wayleave::dsl::grammar::next_line_statement> : analyze_opt_traits<> {};
template <class Name, class Rule>  // matches or raises, and behind an error the skip always consumes
struct analyze_traits<Name, wayleave::dsl::grammar::recovering<Rule>> : analyze_seq_traits<Rule> {};
template <class Name, class... Rules>  // may end where it began, at the brace
struct analyze_traits<Name, wayleave::dsl::grammar::header<Rules...>> : analyze_opt_traits<Rules...> {};
template <class Name, class Member>  // an assumed brace consumes nothing, but a member stands behind it
struct analyze_traits<Name, wayleave::dsl::grammar::block<Member>>
    : analyze_seq_traits<wayleave::dsl::grammar::recovering<Member>> {};

}  // namespace tao::pegtl
