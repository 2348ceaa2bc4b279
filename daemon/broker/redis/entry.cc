#include "daemon/broker/redis/entry.h"

#include <charconv>
#include <memory>
#include <utility>

#include "daemon/base/utf8.h"

namespace wayleave {
namespace {

constexpr char version = 1;
constexpr size_t epoch_size = 8;
constexpr size_t most_digits = 15;
constexpr size_t most_name = 65'536;  // of an id or a key: far more than a policy lets through

enum Flag : unsigned { has_except = 1, has_lane = 2 };
constexpr unsigned known_flags = has_except | has_lane;

void put(std::string& out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xffU);
}

void put_text(std::string& out, std::string_view text) {
    put(out, text.size(), 4);
    out += text;
}

// Takes from the front; once it has failed it stays so.
class Taker {
  public:
    explicit Taker(std::string_view bytes) : left_(bytes) {}

    uint64_t number(size_t bytes) {
        const std::string_view taken = take(bytes);
        uint64_t value = 0;
        for (size_t i = taken.size(); i-- > 0;) value = value << 8U | static_cast<unsigned char>(taken[i]);
        return value;
    }
    std::string_view text() {
        const uint64_t size = number(4);
        if (size > most_name) failed_ = true;
        return take(size);
    }
    std::string_view rest() { return take(left_.size()); }
    [[nodiscard]] bool failed() const { return failed_; }

  private:
    std::string_view take(size_t bytes) {
        if (failed_ || bytes > left_.size()) {
            failed_ = true;
            return {};
        }
        const std::string_view out = left_.substr(0, bytes);
        left_.remove_prefix(bytes);
        return out;
    }

    std::string_view left_;
    bool failed_ = false;
};

struct EntryBody {
    uint64_t except = 0;
    std::optional<dsl::Lane> lane;
    int64_t wall_ms = 0;
    std::string_view id;
    std::string_view key;
    std::string_view members;
};

Result<EntryBody> read_body(std::string_view bytes, uint64_t node) {
    Taker taker(bytes);
    if (const uint64_t found = taker.number(1); !taker.failed() && found != uint64_t{version})
        return failure("it is of version " + std::to_string(found) + ", which this program does not know");
    const uint64_t flags = taker.number(1);
    if ((flags & ~uint64_t{known_flags}) != 0)
        return failure("it has a flag that this program does not know");
    EntryBody body;
    if ((flags & has_except) != 0) {
        const uint64_t from = taker.number(8);
        const uint64_t except = taker.number(8);
        if (from == node) body.except = except;
    }
    if ((flags & has_lane) != 0) {
        const uint64_t lane = taker.number(1);
        if (lane > uint64_t{static_cast<uint8_t>(dsl::Lane::low)}) return failure("it has no such lane");
        body.lane = static_cast<dsl::Lane>(lane);
    }
    body.wall_ms = static_cast<int64_t>(taker.number(8));
    body.id = taker.text();
    body.key = taker.text();
    body.members = taker.rest();
    if (taker.failed()) return failure("it is cut short");
    if (!is_utf8(body.id) || !is_utf8(body.key) || !is_utf8(body.members)) return failure("it is no UTF-8");
    return body;
}

}  // namespace

std::string entry_body(const Draft& draft, uint64_t node) {
    std::string out;
    out.reserve(draft.id.size() + draft.key.size() + draft.members.size() + 48);
    out += version;
    const unsigned flags = (draft.except != 0 ? has_except : 0U) | (draft.lane ? has_lane : 0U);
    put(out, flags, 1);
    if (draft.except != 0) {
        put(out, node, 8);
        put(out, draft.except, 8);
    }
    if (draft.lane) put(out, static_cast<uint64_t>(*draft.lane), 1);
    put(out, static_cast<uint64_t>(draft.now.wall_ms), 8);
    put_text(out, draft.id);
    put_text(out, draft.key);
    return out += draft.members;
}

std::string unnumbered_entry(const Draft& draft, uint64_t node) {
    return epoch_text(0) + "0:0:" + entry_body(draft, node);
}

Result<uint64_t> read_number(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.size() > most_digits)
        return failure("it has no number where one belongs");
    return value;
}

Result<Position> read_position(std::string_view text) {
    const auto epoch = parse_epoch(text.substr(0, epoch_size));
    if (!epoch) return failure("it has no epoch");
    text.remove_prefix(epoch_size);
    if (text.starts_with(':')) text.remove_prefix(1);
    const auto offset = read_number(text);
    if (!offset) return failure(offset.error());
    if (*epoch == 0 && *offset != 0) return failure("it has an offset and no epoch");
    return Position{*epoch, *offset};
}

Result<RedisEntry> read_entry(std::string_view entry, std::string channel, uint64_t node,
                              std::optional<uint64_t> epoch) {
    const size_t first = entry.find(':');
    const size_t second = first == std::string_view::npos ? first : entry.find(':', first + 1);
    if (second == std::string_view::npos) return failure("it has no head");
    auto position = read_position(entry.substr(0, first));
    if (!position) return failure(position.error());
    if (position->epoch != 0 && position->offset == 0) return failure("it has an epoch and no offset");
    if (epoch && position->epoch != 0) position->epoch = *epoch;
    const auto at = read_number(entry.substr(first + 1, second - first - 1));
    if (!at) return failure(at.error());
    const auto body = read_body(entry.substr(second + 1), node);
    if (!body) return failure(body.error());
    auto message = std::make_shared<Message>(std::move(channel), *position,
                                             Body{body->id, body->wall_ms, body->members});
    message->except = body->except;
    message->key = body->key;
    if (position->epoch == 0) message->lane = body->lane;
    return RedisEntry{std::move(message), static_cast<int64_t>(*at)};
}

}  // namespace wayleave
