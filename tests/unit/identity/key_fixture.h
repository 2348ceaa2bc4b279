// Files and tokens for the tests of identity: a directory that goes away, keys made by `generate_key`,
// base64url.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace wayleave {

class KeyDirectory {
  public:
    KeyDirectory() {
        std::string pattern = "/tmp/wayleave-keys-XXXXXX";
        path_ = mkdtemp(pattern.data());
    }
    ~KeyDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    KeyDirectory(const KeyDirectory&) = delete;
    KeyDirectory& operator=(const KeyDirectory&) = delete;

    [[nodiscard]] std::string write(const std::string& name, std::string_view text,
                                    mode_t mode = 0600) const {
        const std::string file = path_ + "/" + name;
        std::ofstream(file, std::ios::binary) << text;
        chmod(file.c_str(), mode);
        return file;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline std::string base64url(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    unsigned buffer = 0;
    unsigned bits = 0;
    for (const char c : bytes) {
        buffer = (buffer << 8U) | static_cast<unsigned char>(c);
        bits += 8;
        for (; bits >= 6; bits -= 6) text += digits[(buffer >> (bits - 6)) & 63U];
        buffer &= 0xffU;
    }
    if (bits > 0) text += digits[(buffer << (6 - bits)) & 63U];
    return text;
}

}  // namespace wayleave
