// What Redis answers, as a value, and the bytes of a question. hiredis takes the bytes apart; what a hostile
// server can make it hold is bounded here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/text/result.h"

struct redisReader;

namespace wayleave {

struct RedisReply {
    enum class Kind : uint8_t {
        nothing,
        number,
        text,    // of any bytes
        status,  // a short word, such as OK
        error,
        list,
        lost,  // it did not come: `text` says why
    };

    Kind kind = Kind::nothing;
    int64_t number = 0;
    std::string text;
    std::vector<RedisReply> items;

    [[nodiscard]] bool failed() const { return kind == Kind::error || kind == Kind::lost; }
    [[nodiscard]] bool error_is(std::string_view code) const {
        return kind == Kind::error && text.starts_with(code);
    }
    [[nodiscard]] bool is_list(size_t size) const { return kind == Kind::list && items.size() == size; }
};

using RedisWords = std::vector<std::string_view>;
void append_command(std::string& out, const RedisWords& words);

class RedisReplyReader {
  public:
    RedisReplyReader();
    ~RedisReplyReader();
    RedisReplyReader(const RedisReplyReader&) = delete;
    RedisReplyReader& operator=(const RedisReplyReader&) = delete;

    // Once it has failed it stays so.
    [[nodiscard]] Status feed(std::string_view bytes);
    // Null: none is complete.
    [[nodiscard]] Result<std::unique_ptr<RedisReply>> next();

    static constexpr size_t most_bytes = size_t{64} << 20U;  // of one reply
    static constexpr size_t most_items = 1'000'000;

  private:
    struct Bounds {
        size_t items = 0;
        size_t bytes = 0;
    };
    struct Objects;

    std::unique_ptr<Bounds> used_;  // by the reply that is being read
    redisReader* reader_;
};

}  // namespace wayleave
