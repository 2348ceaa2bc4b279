// From an expression as it was written to a condition that can be run: names resolved, types and stages
// checked.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "dsl/compile/names.h"
#include "dsl/compile/program_builder.h"
#include "dsl/syntax/ast.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/result.h"

namespace wayleave::dsl {

// Reads a file that a policy names, whole. The path is complete.
using FileReader = std::function<Result<std::string>(const std::string& path)>;

// The directory of the file that `span` is in, joined with a path relative to it.
[[nodiscard]] std::string resolve_path(const Sources& sources, Span span, const std::string& path);

// As it is read, and as it stands in the policy.
[[nodiscard]] std::string resolve_file(const Sources& sources, const ast::FileValue& file);
[[nodiscard]] std::string written_file(const ast::FileValue& file);

// An operand whose type is known.
struct Typed {
    Operand operand;
    Type type;
    Stage stage = Stage::constant;
    std::optional<Value> value;                     // of a constant
    std::vector<ast::Expr> elements;                // of a set that holds more than constants
    bool mixed = false;                             // `elements` is what counts
    std::vector<std::pair<Scalar, Value>> entries;  // of a map
    Type value_type;                                // of a map's values
    Span span;
};

class ExprChecker {
  public:
    ExprChecker(const Sources& sources, const FileReader& files, const Names& names, ProgramBuilder& builder,
                Diagnostics& diagnostics)
        : sources_(sources), files_(files), names_(names), builder_(builder), diagnostics_(diagnostics) {}

    // A mistake becomes a diagnostic, and the answer is then of no use.
    [[nodiscard]] Condition condition(const ast::Expr& expr, const Context& context);
    [[nodiscard]] std::optional<Typed> operand(const ast::Expr& expr, const Context& context);
    [[nodiscard]] std::optional<Typed> path(const ast::Path& path, const Context& context);
    // A value that is known now: a literal, a set or map of them, or a `let` of one.
    [[nodiscard]] std::optional<Typed> constant(const ast::Expr& expr);
    [[nodiscard]] std::optional<Typed> file(const ast::FileValue& file) { return file_set(file); }

  private:
    class Depth;

    Condition compare(const ast::Expr& expr, const Context& context);
    Condition equality(const ast::Expr& expr, const Typed& left, const Typed& right);
    Condition order(const ast::Expr& expr, const Typed& left, const Typed& right);
    Condition membership(const ast::Expr& expr, const Typed& left, const Typed& right,
                         const Context& context);
    Condition within(const ast::Expr& expr, const Typed& left, const Typed& element);
    Condition nets(const Typed& left, const Typed& right);
    Condition like(const ast::Expr& expr, const Typed& left, const Typed& right);
    Condition overlaps(const ast::Expr& expr, const Typed& left, const Typed& right);
    Condition atom(Test test, const Typed& left, const Typed& right);
    Condition truth(const ast::Expr& expr, const Context& context);
    Condition mismatch(const ast::Expr& expr, const Typed& left, const Typed& right, std::string help = {});

    std::optional<Typed> literal(const ast::Literal& literal);
    std::optional<Typed> set(const ast::Expr& expr, const Context& context);
    std::optional<Typed> map(const ast::Expr& expr, const Context& context);
    std::optional<Typed> lookup(const ast::Expr& expr, const Context& context);
    std::optional<Typed> let_operand(const ast::Let& let, Span use, const Context& context);
    std::optional<Typed> file_set(const ast::FileValue& file);
    std::vector<Scalar> sorted_list(const ast::FileValue& file, const std::string& path,
                                    std::vector<std::pair<Scalar, size_t>> found);
    std::optional<Typed> unknown(const ast::Path& path);
    bool add_element(std::vector<Scalar>& elements, Type& type, const Typed& element, bool first);
    bool enter(const ast::Let& let, Span use);

    const Sources& sources_;
    const FileReader& files_;
    const Names& names_;
    ProgramBuilder& builder_;
    Diagnostics& diagnostics_;
    std::vector<const ast::Let*> open_;  // definitions that are being looked into: to find cycles
};

}  // namespace wayleave::dsl
