// What runs inside Redis: the files in scripts/, built into the program. Redis knows a script by the hash of
// its text, so that two versions of this program do not get into each other's way.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace wayleave {

class RedisScript {
  public:
    explicit RedisScript(std::string_view text);
    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] const std::string& hash() const { return hash_; }  // SHA-1, in hexadecimal digits

  private:
    std::string_view text_;
    std::string hash_;
};

[[nodiscard]] const RedisScript& publish_script();
[[nodiscard]] const RedisScript& read_script();
[[nodiscard]] const RedisScript& cursor_script();
[[nodiscard]] const RedisScript& tops_script();
[[nodiscard]] const RedisScript& adopt_script();
[[nodiscard]] const RedisScript& beat_script();
[[nodiscard]] const RedisScript& presence_script();
[[nodiscard]] const RedisScript& present_script();
[[nodiscard]] const RedisScript& sweep_script();
[[nodiscard]] const RedisScript& seat_script();
[[nodiscard]] const RedisScript& place_script();
[[nodiscard]] const RedisScript& ban_script();
[[nodiscard]] const RedisScript& bans_script();
[[nodiscard]] std::array<const RedisScript*, 13> all_scripts();

}  // namespace wayleave
