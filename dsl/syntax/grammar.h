// The grammar of the policy language, as in wayleave.route(5). Included by parse.cc and the grammar's tests
// alone. Tokens eat the blanks behind them, never before. After the word that begins a statement everything
// is `need`ed.
#pragma once

#include "dsl/syntax/grammar_parts.h"

namespace wayleave::dsl::grammar {

// clang-format off

// --- tokens ---

struct name_text   : seq<lower, star<sor<lower, digit, one<'_'>>>, not_at<sor<upper, one<'-'>>>> {};
struct name_node   : node<NodeKind::name, name_text> {};
struct name        : seq<name_node, blank> {};
struct new_name    : seq<not_at<next_line_statement>, name> {};
template <Phrase what>
struct need_name   : need<what, new_name, Topic::name> {};

struct comma       : seq<one<','>, blank> {};
struct equals      : seq<one<'='>, not_at<one<'='>>, blank> {};

struct string_char : sor<seq<one<'\\'>, not_one<'\n'>>, not_one<'"', '\\', '\n'>> {};
struct string_text : seq<one<'"'>, star<string_char>, one<'"'>> {};
struct unclosed    : seq<at<one<'"'>>, raise<wrong<"the string has no closing `\"`", "a string ends on its line", Topic::token>>> {};
struct string_node : node<NodeKind::string, sor<string_text, unclosed>> {};
struct string      : seq<string_node, blank> {};

struct digits      : plus<digit> {};
struct byte_unit   : sor<exactly<"kb">, exactly<"mb">, exactly<"b">> {};
struct time_unit   : sor<exactly<"ms">, one<'s', 'm', 'h', 'd'>> {};
struct literal_end : not_at<sor<word_rest, one<'.', '/'>>> {};
struct date_node   : node<NodeKind::date, digits, one<'-'>, digits, one<'-'>, digits, literal_end> {};
struct v4_text     : seq<digits, one<'.'>, digits, one<'.'>, digits, one<'.'>, digits> {};
struct v6_rest     : star<sor<xdigit, one<'.'>>> {};
struct v6_text     : seq<at<v6_rest, one<':'>, v6_rest, one<':'>>,    // two `:`, or `{ abc: 1 }` would be an address
                         plus<sor<xdigit, one<'.'>, exactly<"::">, seq<one<':'>, at<xdigit>>>>> {};
struct address     : sor<v6_text, v4_text> {};
struct net_node    : node<NodeKind::net, address, one<'/'>, digits, literal_end> {};
struct ip_node     : node<NodeKind::ip, address, literal_end> {};
struct float_node  : node<NodeKind::floating, opt<one<'-'>>, digits, one<'.'>, digits, literal_end> {};
struct rate_node   : node<NodeKind::rate, digits, opt<byte_unit>, one<'/'>, one<'s', 'm', 'h', 'd'>, literal_end> {};
struct size_node   : node<NodeKind::size, digits, byte_unit, literal_end> {};
struct time_node   : node<NodeKind::time, digits, time_unit, literal_end> {};
struct int_node    : node<NodeKind::integer, opt<one<'-'>>, digits, literal_end> {};
struct bool_node   : node<NodeKind::boolean, sor<exactly<"true">, exactly<"false">>, not_at<word_rest>> {};
struct gap         : one<' ', '\t'> {};
struct torn_text   : seq<digits, sor<seq<plus<gap>, sor<byte_unit, time_unit>, not_at<word_rest>, not_at<blank, one<'='>>>,
                                     seq<opt<byte_unit>, star<gap>, one<'/'>, star<gap>, one<'s', 'm', 'h', 'd'>, not_at<word_rest>>>> {};
struct torn        : seq<at<torn_text>, raise<wrong<"a number and its unit stand together",
                         "write it without a blank, like `1kb`, `30s` or `20/s`", Topic::token>>> {};
struct loud_text   : seq<digits, star<gap>, sor<seq<sor<istring<'k', 'b'>, istring<'m', 'b'>, istring<'m', 's'>, one<'B', 'S', 'M', 'H', 'D'>>, not_at<word_rest>>,
                                                seq<one<'/'>, one<'S', 'M', 'H', 'D'>, not_at<word_rest>>>> {};
struct loud        : seq<at<loud_text>, raise<wrong<"units are written in lower case, and stand with their number",
                         "write it like `1mb`, `30s` or `20/s`", Topic::token>>> {};
struct malformed   : seq<at<opt<one<'-'>>, digit>, raise<wrong<"this is no number, size, time, rate, date or address",
                         "units are b kb mb and ms s m h d; a rate is `20/s`, a date `2027-06-30`, a net `10.0.0.0/8`", Topic::token>>> {};
struct literal     : seq<sor<string_node, bool_node, date_node, net_node, ip_node, float_node, rate_node, size_node, time_node,
                             torn, loud, int_node, malformed>, blank> {};
struct integer     : seq<int_node, blank> {};
struct time        : seq<time_node, blank> {};
struct date        : seq<date_node, blank> {};

// --- conditions and values ---

struct reserved    : sor<kw<"not">, kw<"and">, kw<"or">, kw<"in">, kw<"like">, kw<"overlaps">, kw<"if">, kw<"then">,
                         kw<"because">, kw<"else">, kw<"true">, kw<"false">> {};
struct path_node   : node<NodeKind::path, name_node, star<one<'.'>, need<"a name after `.`", name_node, Topic::name>>> {};
struct path        : seq<not_at<reserved>, not_at<next_line_statement>, path_node, blank> {};

struct expr;
struct no_equals   : refuse<"`=` gives a value to a setting", "to compare, write `==`", one<'='>, Topic::expression> {};
struct group       : node<NodeKind::group, one<'('>, blank, deeper<need<"a condition after `(`", expr, Topic::expression>>, no_equals,
                          need<"`)`", one<')'>>, blank> {};
struct entry       : node<NodeKind::entry, expr, opt<one<':'>, blank, need<"a value after `:`", expr, Topic::expression>>> {};
struct entries     : seq<need<"a value or `}`", entry, Topic::expression>,
                         star<comma, need<"a value after `,`", entry, Topic::expression>>,
                         need<"`,` or `}`", one<'}'>>> {};
struct braces      : node<NodeKind::braces, one<'{'>, blank, sor<one<'}'>, deeper<entries>>, blank> {};
struct lookup      : node<NodeKind::lookup, name_node, one<'['>, blank, deeper<need<"a key after `[`", expr, Topic::expression>>,
                          need<"`]`", one<']'>>, blank, need<"`else` and the value for a key that is not in the map", kw<"else">>,
                          need<"a literal after `else`", literal>> {};
struct operand     : sor<group, braces, literal, seq<not_at<reserved>, not_at<next_line_statement>, sor<lookup, seq<path_node, blank>>>> {};

struct compare_sign: sor<exactly<"==">, exactly<"!=">, exactly<"<=">, exactly<">=">, one<'<', '>'>> {};
struct no_setting  : not_at<blank, equals> {};                         // `{ id = 7 in = 3 }`: there it is a name
struct compare_word: seq<sor<exactly<"in">, exactly<"like">, exactly<"overlaps">>, not_at<word_rest>, no_setting> {};
struct compare_text: sor<compare_sign, compare_word> {};
struct compare_op  : node<NodeKind::compare_op, compare_text> {};
struct compare     : seq<operand, opt<compare_op, blank, need<"a value to compare with", operand, Topic::expression>,
                                      refuse<"comparisons do not chain", "join two comparisons with `and`", compare_text>>,
                         refuse<"`not` stands before the whole comparison", "write `not a in b`", seq<kw<"not">, no_setting>>> {};

struct negation    : node<NodeKind::negation, kw<"not">> {};
struct conjunction : node<NodeKind::conjunction, kw<"and">, no_setting> {};
struct disjunction : node<NodeKind::disjunction, kw<"or">, no_setting> {};
struct term        : node<NodeKind::term, sor<seq<negation, need<"a condition after `not`", compare, Topic::expression>>, compare>> {};
struct all_of      : seq<plus<conjunction, need<"a condition after `and`", term, Topic::expression>>,
                         refuse<"`and` and `or` are mixed without parentheses", "or", seq<kw<"or">, no_setting>, Topic::mixture>> {};
struct any_of      : seq<plus<disjunction, need<"a condition after `or`", term, Topic::expression>>,
                         refuse<"`and` and `or` are mixed without parentheses", "and", seq<kw<"and">, no_setting>, Topic::mixture>> {};
struct expr        : node<NodeKind::expr, term, opt<sor<all_of, any_of>>> {};

struct scalar_type : any_word<"bool", "int", "float", "string", "ip", "net", "size", "time", "rate", "date"> {};
struct type        : node<NodeKind::type, opt<sor<word<"set">, word<"list">>, need<"`of` and a type", kw<"of">>>,
                          need<"a type", scalar_type>> {};

struct outcome     : node<NodeKind::outcome, sor<seq<sor<word<"status">, word<"close">>, integer>, seq<word<"error">, string>, word<"drop">>> {};
struct file_value  : node<NodeKind::file_value, kw<"file">, opt<word<"credential">>, string, opt<kw<"of">, type>> {};
struct backend_call: node<NodeKind::backend_call, not_at<sor<reserved, kw<"error">, kw<"file">>>, not_at<next_line_statement>, name, string> {};
struct unquoted    : seq<not_at<next_line_statement>, sor<alnum, one<'.', '/'>>> {};
struct unquoted_url: seq<plus<lower>, exactly<"://">> {};
struct value       : sor<file_value, outcome, backend_call,
                         seq<refuse<"a URL stands in quotes", "write `\"https://…\"`", unquoted_url>,
                             refuse<"the name of an error stands in quotes", "write `error \"…\"`", seq<kw<"error">, unquoted>>,
                             refuse<"the path of a file stands in quotes", "write `file \"…\"`", seq<kw<"file">, unquoted>>, expr>> {};
struct setting     : node<NodeKind::setting, name, equals, need<"a value after `=`", value, Topic::expression>> {};
struct let_name    : sor<new_name, seq<name, at<one<'='>, not_at<one<'='>>>>> {};    // also on a line of its own
struct let         : node<NodeKind::let, kw<"let">, need<"a name after `let`", let_name, Topic::name>, need<"`=`", equals>,
                          need<"a value after `=`", value, Topic::expression>> {};

// --- addresses and channels: no blanks inside ---

struct capture     : node<NodeKind::capture, one<':'>, need<"a name after `:`", name_node, Topic::name>,
                          opt<one<'('>, need<"int, slug, uuid, hex or date", name_node, Topic::name>, need<"`)`", one<')'>>>> {};
struct insert      : node<NodeKind::insert, one<'{'>, need<"a name in `{}`, without blanks", path_node, Topic::name>,
                          need<"`}` directly behind the name", one<'}'>>> {};
struct any_node    : node<NodeKind::any, one<'*'>> {};
struct rest_node   : node<NodeKind::rest, exactly<"**">, refuse<"`**` stands at the end alone", "use `*` for one segment", one<'/'>>> {};
struct white       : sor<eof, one<' ', '\t', '\n', '\r'>> {};

struct label       : node<NodeKind::label, plus<sor<lower, digit, one<'-'>>>> {};
struct host_label  : sor<capture, any_node, label> {};
struct host        : node<NodeKind::host, host_label, star<one<'.'>, host_label>> {};
struct path_plain  : seq<not_at<sor<range<'\0', ' '>, one<'\x7f', ',', '{', '}', '/', '?', '#', '%', '*', '"', '`', '\\', ';'>>>, any> {};
struct path_text   : node<NodeKind::text, not_at<one<':'>>, plus<sor<path_plain, seq<one<';'>, at<path_plain>>>>> {};
struct path_segment: sor<capture, rest_node, any_node, path_text> {};
struct end_slash   : node<NodeKind::trailing_slash, one<'/'>> {};
struct insert_like : seq<one<'{'>, name_text, star<one<'.'>, name_text>, one<'}'>> {};
struct url_end     : refuse<"", "", seq<not_at<sor<white, one<',', '}'>, seq<not_at<insert_like>, one<'{'>>>>, any>, Topic::address> {};
struct url_node    : node<NodeKind::url, opt<host>, one<'/'>, opt<path_segment, star<one<'/'>, path_segment>, opt<end_slash>>, url_end> {};
struct url         : seq<url_node, blank> {};
template <Phrase what>
struct need_urls   : seq<need<what, url, Topic::address>, star<comma, need<"an address after `,`", url, Topic::address>>> {};

struct channel_text: node<NodeKind::text, not_at<one<':'>>, plus<sor<alnum, one<'.', '_', '-', '~', '@', ':', '='>>>> {};
struct channel_part: sor<capture, insert, rest_node, any_node, channel_text> {};
struct channel_end : refuse<"", "", seq<not_at<sor<white, one<',', '}'>>>, any>, Topic::channel> {};
struct channel_node: node<NodeKind::channel_pattern, channel_part, star<one<'/'>, channel_part>, channel_end> {};
struct channel_pat : seq<not_at<next_line_statement>, channel_node, blank> {};
template <Phrase what>
struct need_channel: need<what, channel_pat, Topic::channel> {};
template <Phrase what>
struct need_channels : seq<need_channel<what>, star<comma, need_channel<"a channel after `,`">>> {};

struct type_word   : plus<word_rest> {};
struct type_text   : sor<one<'*'>, seq<type_word, star<one<'.'>, type_word>, opt<exactly<".*">>>> {};
struct type_node   : node<NodeKind::message_type, sor<string_node, type_text>> {};
struct message_type: seq<not_at<next_line_statement>, type_node, blank> {};

// --- the parts of a statement ---

struct on          : node<NodeKind::on, kw<"on">, need_channels<"a channel after `on`">> {};
struct condition   : node<NodeKind::condition, kw<"if">, need<"a condition after `if`", expr, Topic::expression>, no_equals> {};
struct then        : node<NodeKind::then, kw<"then">, need<"`status N`, `close N`, `error \"name\"` or `drop` after `then`", outcome>> {};
struct because     : node<NodeKind::because, kw<"because">, need<"a reason in quotes after `because`", string>> {};
struct tail        : seq<opt<on>, opt<condition>, opt<then>, opt<because>> {};
struct with        : node<NodeKind::with, kw<"with">, need_name<"the name of a token after `with`">> {};
struct backend_path: seq<need_name<"the name of a backend">, need<"a path in quotes", string>> {};
struct by          : node<NodeKind::by, kw<"by">, backend_path> {};
struct rule_tail   : seq<opt<on>, opt<with>, opt<by>, opt<condition>, opt<then>, opt<because>> {};

struct as_name     : node<NodeKind::as_name, kw<"as">, need<"a name in quotes after `as`", string>> {};
struct split_at    : node<NodeKind::split_at, kw<"split">, need<"the separator in quotes after `split`", string>> {};
struct in_set      : node<NodeKind::in_set, kw<"in">, need<"a set after `in`", operand, Topic::expression>> {};
struct absent      : node<NodeKind::absent, sor<word<"required">, seq<kw<"else">, need<"a literal or a set after `else`", sor<literal, braces>>>>> {};
template <Phrase what>
struct need_absent : need<what, absent> {};
struct plain_name  : refuse<"this name has no dots", "give it a plain name and the dotted path in quotes, like `id : int as \"user.id\"`", one<'.'>> {};
struct need_type   : seq<need<"`:` and a type", one<':'>>, blank, type> {};

struct source_word : any_word<"query", "header", "cookie", "subprotocol"> {};
struct source      : node<NodeKind::source, sor<word<"certificate">, seq<source_word, need<"a name in quotes", string>>>> {
    static constexpr std::array<std::string_view, 5> words{"query", "header", "cookie", "subprotocol", "certificate"};
};
struct need_source : need<"query, header, cookie, subprotocol or certificate", source> {};
template <Phrase what>
struct need_path   : need<what, path, Topic::name> {};

// --- statements ---

struct action      : any_word<"connect", "subscribe", "publish", "presence", "history", "disconnect", "message"> {};
struct verb        : sor<word<"allow">, word<"deny">> {};
struct rule        : node<NodeKind::rule, verb, need<"an action", action>, star<comma, need<"an action after `,`", action>>, rule_tail> {};

struct action_text : sor<kw<"connect">, seq<sor<kw<"subscribe">, kw<"publish">>, not_at<kw<"to">>>, kw<"presence">, kw<"history">,
                         kw<"disconnect">, kw<"message">> {};
struct message_rule: node<NodeKind::rule, verb, refuse<"a rule inside `message` has no action",
                          "leave the word out: here `allow` and `deny` are about the sending of this message",
                          seq<not_at<next_line_statement>, action_text, not_at<one<'='>>>>, rule_tail> {};

struct burst       : node<NodeKind::burst, kw<"burst">, need<"a number or a size after `burst`", literal>> {};
struct excess      : seq<exactly<"excess">, not_at<sor<word_rest, one<'/', '.', '~', '@', ':'>>>, blank> {};
struct on_excess   : node<NodeKind::on_excess, kw<"on">, excess, need_name<"`refuse` or `replace_oldest`">> {};
struct meter       : any_word<"connects", "connections", "subscriptions", "messages", "bytes"> {};
struct limit       : node<NodeKind::limit, kw<"limit">, need<"a meter", meter>, need<"`to`", kw<"to">>,
                          need<"a rate or a number after `to`", operand, Topic::expression>,
                          need<"`per` and what is counted, like `per user.sub`", kw<"per">>,
                          need_path<"what is counted, like `user.sub`">, star<comma, need_path<"what is counted after `,`">>,
                          opt<burst>, opt<on_excess>, tail> {};

struct up_to       : node<NodeKind::up_to, kw<"up">, need<"`to` after `up`", kw<"to">>, need<"a time after `up to`", time>> {};
struct counted     : any_word<"refusals", "limits", "errors"> {};
struct ban         : node<NodeKind::ban, kw<"ban">, need_path<"who is banned, like `subnet`">, star<comma, need_path<"a key after `,`">>,
                          need<"`for` and a time", kw<"for">>, need<"a time after `for`, like `30s`", time>, opt<up_to>,
                          need<"`after` and a number", kw<"after">>, need<"a number after `after`", integer>,
                          need<"what is counted: refusals, limits or errors", counted>,
                          need<"`per` and a time", kw<"per">>, need<"a time after `per`, like `1m`", time>, opt<because>> {};

struct use         : node<NodeKind::use, kw<"use">, need_name<"the name of a policy">, star<comma, need_name<"a name after `,`">>> {};
struct join        : node<NodeKind::join, kw<"join">, need_channels<"a channel after `join`">, opt<condition>> {};
struct first_use   : node<NodeKind::first_use, kw<"on">, need<"`first use` after `on`", kw<"first">>, need<"`use` after `first`", kw<"use">>> {};
struct stream_member : sor<setting, message_rule, limit, let, raise<unknown<keywords::stream, Topic::statement>>> {
    static constexpr const auto& words = keywords::stream;
};
struct stream      : node<NodeKind::stream, kw<"stream">, need_name<"the stream's name">, need<"`to` and a backend", kw<"to">>, backend_path,
                          opt<first_use>, opt<condition>, opt<at<one<'{'>>, block<stream_member>>> {};
struct plain_http  : node<NodeKind::plain_http, kw<"http">> {};
struct proxy       : node<NodeKind::proxy, kw<"proxy">, need<"`to` and a backend", kw<"to">>, need_name<"the name of a backend">,
                          opt<string>, opt<plain_http>, opt<condition>> {};
struct event       : any_word<"connect", "disconnect", "subscribe", "unsubscribe"> {};
struct after       : node<NodeKind::after, kw<"after">, need<"a time after `after`, like `5s`", time>> {};
struct notify      : node<NodeKind::notify, kw<"notify">, backend_path, need<"`on` and an event", kw<"on">>, need<"an event", event>,
                          star<comma, need<"an event after `,`", event>>, opt<after>> {};
struct input       : node<NodeKind::input, kw<"input">, need_name<"the input's name">, plain_name, need_type, need<"`from` and a source", kw<"from">>,
                          need_source, need_absent<"`required`, or `else` and the value if it is absent">> {};
struct stream_name : node<NodeKind::stream_name, kw<"stream">, need_name<"the stream's name">> {};
struct binding     : node<NodeKind::binding, name, need<"`=`", equals>, need<"a source or a literal", sor<source, literal>>> {};
struct alias       : node<NodeKind::alias, kw<"alias">, need<"an address after `alias`", url, Topic::address>, opt<stream_name>,
                          opt<kw<"where">, need<"a capture's name after `where`", binding, Topic::name>,
                              star<comma, need<"a capture's name after `,`", binding, Topic::name>>>,
                          opt<kw<"until">, need<"a date after `until`, like `2027-06-30`", date>>> {};

struct field       : node<NodeKind::field, kw<"field">, need_name<"the field's name">, plain_name, need_type, opt<as_name>, opt<in_set>,
                          need_absent<"`required`, or `else` and the value if it is absent">> {};
struct stamp       : node<NodeKind::stamp, kw<"set">, need<"the name of the member", sor<name, string>, Topic::name>, need<"`=`", equals>,
                          need<"a value after `=`", expr, Topic::expression>> {};
struct except_self : seq<word<"except">, need<"`self` after `except`", kw<"self">>> {};
struct as_type     : node<NodeKind::as_type, kw<"as">, need<"a message type after `as`", message_type>> {};
struct priority    : node<NodeKind::priority, kw<"priority">, need_name<"urgent, normal or low">> {};
struct publish     : node<NodeKind::publish, kw<"publish">, need<"`to` and a channel", kw<"to">>, need_channels<"a channel after `to`">,
                          opt<except_self>, opt<sor<seq<as_type, opt<priority>>, seq<priority, opt<as_type>>>>, opt<condition>> {};
struct subscribe   : node<NodeKind::subscribe, kw<"subscribe">, need<"`to` and a channel", kw<"to">>, need_channels<"a channel after `to`">,
                          opt<condition>> {};
struct unsubscribe : node<NodeKind::unsubscribe, kw<"unsubscribe">, need<"`from` and a channel", kw<"from">>,
                          need_channels<"a channel after `from`">, opt<condition>> {};
struct forward     : node<NodeKind::forward, kw<"forward">, need<"`to` and a backend", kw<"to">>, backend_path, opt<condition>> {};
// Behind `reply` without a type; a type that is called so stands in quotes.
struct not_a_type  : sor<seq<sor<exactly<"if">, exactly<"field">, exactly<"set">, exactly<"allow">, exactly<"deny">, exactly<"limit">,
                                 exactly<"publish">, exactly<"subscribe">, exactly<"unsubscribe">, exactly<"forward">, exactly<"reply">,
                                 exactly<"let">>, not_at<sor<word_rest, one<'.'>>>>,
                         seq<name_text, blank, equals>> {};
struct reply       : node<NodeKind::reply, kw<"reply">, opt<not_at<not_a_type>, message_type>, opt<condition>> {};

// --- blocks ---

struct only_setting: sor<setting, raise<unknown<keywords::settings, Topic::statement>>> {
    static constexpr const auto& words = keywords::settings;
};
struct settings    : need<"`{`", block<only_setting>> {};

struct backend_member : sor<setting, rule, raise<unknown<keywords::backend, Topic::statement>>> {
    static constexpr const auto& words = keywords::backend;
};
struct message_member : sor<setting, field, stamp, message_rule, limit, publish, subscribe, unsubscribe, forward, reply, let,
                            raise<unknown<keywords::message, Topic::statement>>> {
    static constexpr const auto& words = keywords::message;
};
struct message     : node<NodeKind::message, kw<"message">,
                          header<need<"a message type", message_type>, star<comma, need<"a message type after `,`", message_type>>>,
                          need<"`{`", block<message_member>>> {};
struct errors      : node<NodeKind::errors, kw<"errors">, settings> {};

struct member      : sor<setting, rule, limit, ban, let, use, join, message, stream, alias, notify, proxy, input, errors,
                         raise<unknown<keywords::body, Topic::statement>>> {
    static constexpr const auto& words = keywords::body;
};
struct body        : need<"`{`", block<member>> {};

struct claim       : node<NodeKind::claim, kw<"claim">, need_name<"the claim's name">, plain_name, need_type, opt<as_name>,
                          opt<split_at>, need_absent<"`required`, or `else` and the value if it is absent">, opt<word<"secret">>> {};
struct carried     : node<NodeKind::carried, kw<"from">, need_source> {};
struct token_member: sor<setting, claim, carried, raise<unknown<keywords::token, Topic::statement>>> {
    static constexpr const auto& words = keywords::token;
};

struct object;
struct test_name   : sor<name, string> {};
struct object_like : seq<one<'{'>, blank, sor<name_text, string_text>, blank, equals> {};
struct test_value  : sor<seq<at<object_like>, object>, expr> {};
struct test_member : node<NodeKind::test_member, test_name, need<"`=`", equals>, need<"a value after `=`", test_value, Topic::expression>> {};
struct object      : node<NodeKind::object, one<'{'>, blank, deeper<star<test_member>>, need<"a member like `id = 7`, or `}`", one<'}'>>, blank> {};

struct as          : node<NodeKind::as, kw<"as">, header<need_name<"the name of a token">>, settings> {};
struct at_url      : node<NodeKind::at, kw<"at">, need<"an address in quotes after `at`", string>> {};
struct times       : node<NodeKind::times, kw<"times">, need<"a number after `times`", integer>> {};
struct brought     : node<NodeKind::with, kw<"with">, need_name<"the name of a token after `with`">, need<"`{` and the claims", object>> {};
struct target      : need<"the channel, address, message type or stream in quotes", string> {};
struct expect      : node<NodeKind::expect, kw<"expect">, need<"allow, deny or limit after `expect`", any_word<"allow", "deny", "limit">>,
                          sor<seq<sor<word<"message">, word<"publish">, word<"stream">>, target, opt<object>>,
                              seq<need<"an action", action>, target,
                                  refuse<"only a message, a publication and what is said to a stream bring data", "`message`, `publish` and `stream` take members in `{ }`", one<'{'>>>>,
                          opt<brought>,
                          opt<at_url>, opt<times>, opt<because>> {};
struct answers     : node<NodeKind::answers, kw<"backend">, need_name<"the name of a backend">, need<"`answers` and a status", kw<"answers">>,
                          need<"a status like 200 or 403", integer>, opt<object>> {};
struct test_item   : sor<setting, as, expect, answers, at_url, let, raise<unknown<keywords::test, Topic::statement>>> {
    static constexpr const auto& words = keywords::test;
};

// --- the file ---

struct token       : node<NodeKind::token, kw<"token">, header<need_name<"the token's name">>, need<"`{`", block<token_member>>> {};
struct backend     : node<NodeKind::backend, kw<"backend">, header<need_name<"the backend's name">>, need<"`{`", block<backend_member>>> {};
struct channel     : node<NodeKind::channel, kw<"channel">, header<need_channel<"a channel">>, settings> {};
struct policy      : node<NodeKind::policy, kw<"policy">, header<need_name<"the policy's name">>, body> {};
struct defaults    : node<NodeKind::defaults, kw<"defaults">, body> {};
struct route       : node<NodeKind::route, kw<"route">, header<need_name<"the route's name">, need_urls<"an address like `example.com/chat`">>, body> {};
struct api         : node<NodeKind::api, kw<"api">, header<need_name<"the api's name">, need_urls<"an address like `/api`">>, body> {};
struct test        : node<NodeKind::test, kw<"test">, header<need<"the test's title in quotes", string>, opt<at_url>>, need<"`{`", block<test_item>>> {};
struct item        : sor<let, token, backend, channel, policy, defaults, route, api, test, raise<unknown<keywords::item, Topic::item>>> {
    static constexpr const auto& words = keywords::item;
};
struct file        : seq<blank, star<not_at<eof>, recovering<item>>, eof> {};

// clang-format on

}  // namespace wayleave::dsl::grammar
