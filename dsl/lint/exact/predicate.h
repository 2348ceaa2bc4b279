// The smallest questions that conditions are made of, each about one value: a set becomes equalities, a
// channel's pattern becomes questions about its segments. What means the same mostly looks the same then. For
// the exact checks of lint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/condition.h"
#include "dsl/policy/program.h"

namespace wayleave::dsl {

struct Predicate {
    enum class Kind : uint8_t {
        equal,       // to `value`
        below,       // less than `value`, a float
        at_most,     // `value`
        in_net,      // the ip is in the net `value`
        within_net,  // the net lies within the net `value`
        like,        // the glob `value`
        accepts,     // a segment is of the capture type `value`
        has,         // the set has the element `value`
        truth,
        inserted,  // a segment is what `beside` says
        other,     // an atom about more than one value
    };

    Kind kind = Kind::truth;
    Operand subject;
    Scalar value = false;
    Operand beside;
    Test test = Test::is_true;  // of `other`

    // By subject and value, so that questions that answer each other stand together.
    friend bool operator<(const Predicate& a, const Predicate& b);
};

// The number of the channel's segments, as a subject.
[[nodiscard]] Operand segment_count();
[[nodiscard]] Operand segment_of_channel(size_t number);

// The answer where the subject has that value; nothing where it takes more to know.
[[nodiscard]] std::optional<bool> answer(const Predicate& predicate, const Value& value);

// The basic questions behind the atoms of a program. A condition is about a channel that exists.
class Predicates {
  public:
    explicit Predicates(const Program& program) : program_(program) {}

    // Over numbers of all().
    [[nodiscard]] Condition of_atom(uint32_t atom);

    [[nodiscard]] const std::vector<Predicate>& all() const { return all_; }

    // The channels' patterns, and what they became.
    struct ChannelQuestion {
        std::string glob;  // that matches all its channels and perhaps more
        Condition condition;
    };
    [[nodiscard]] const std::vector<ChannelQuestion>& channels() const { return channels_; }

    static constexpr size_t most_elements = 64;  // of a set that is taken apart

  private:
    using Kind = Predicate::Kind;

    Condition compare(const Atom& atom);
    Condition look_up(const Atom& atom, const Operand& key, const Lookup& lookup, bool left);
    Condition pattern(const Pattern& pattern);
    Condition segments(const Pattern& pattern);
    Condition segment(const PatternSegment& segment, size_t number);
    Condition equal(const Operand& subject, const Scalar& value);
    Condition at_most(const Operand& subject, const Scalar& value);
    Condition below(const Operand& subject, const Scalar& value);
    Condition in_net(Kind kind, const Operand& subject, const Net& net);
    Condition like(const Operand& subject, const std::string& glob);
    Condition channel_named(std::string_view name, bool and_more);
    Condition order(const Atom& atom, const Value* left, const Value* right);
    Condition among(const Atom& atom, const Operand& subject, const std::vector<Scalar>& elements, Kind kind);
    Condition other(const Atom& atom);
    Condition predicate(Predicate predicate);
    [[nodiscard]] const Value* constant(const Operand& operand) const;

    const Program& program_;
    std::vector<Predicate> all_;
    std::map<Predicate, uint32_t> numbers_;
    std::vector<ChannelQuestion> channels_;
};

}  // namespace wayleave::dsl
