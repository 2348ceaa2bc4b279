#include "daemon/identity/key_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "daemon/identity/credential_file.h"

namespace wayleave {

namespace {

// Closes the descriptor on every way out.
struct OpenFile {
    explicit OpenFile(const std::string& path) : fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    ~OpenFile() {
        if (fd >= 0) close(fd);
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    int fd;
};

std::string remedy_for(const std::string& path, int error) {
    if (error == EACCES)
        return "give it to the daemon's user, or with systemd by LoadCredential= and `file credential`";
    // As a setting in wayleave.toml would be written.
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (name.starts_with("credential:"))
        return fmt::format("in a policy it is written `file credential \"{}\"`",
                           name.substr(name.find(':') + 1));
    return "check the path and who may read it";
}

Failure<KeyError> system_error(const std::string& path, int error) {
    return unusable(fmt::format("{}: {}", path, std::strerror(error)), remedy_for(path, error));
}

KeyStatus check_kind_and_size(const std::string& path, const struct stat& info) {
    if (!S_ISREG(info.st_mode)) {
        return unusable(path + ": is not a regular file", "name the key file itself");
    }
    if (static_cast<size_t>(info.st_size) > max_key_file_bytes) {
        return unusable(fmt::format("{}: is larger than {} KiB", path, max_key_file_bytes / 1024),
                        "a key file holds at most 50 keys");
    }
    return Nothing{};
}

KeyStatus read_all(const OpenFile& file, const std::string& path, std::string& bytes) {
    size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t count = read(file.fd, bytes.data() + filled, bytes.size() - filled);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error(path, errno);
        if (count == 0) break;
        filled += static_cast<size_t>(count);
    }
    if (filled == bytes.size()) {  // the buffer has one byte more than the file may have
        OPENSSL_cleanse(bytes.data(), bytes.size());
        return unusable(path + ": grew while it was read", "try again");
    }
    bytes.resize(filled);
    return Nothing{};
}

bool ends_with_json_name(std::string_view path) {
    return path.ends_with(".jwks") || path.ends_with(".jwk") || path.ends_with(".json");
}

bool is_own_group(gid_t group) {
    if (group == getegid()) return true;
    std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
    const int count = getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<size_t>(std::max(0, count)));
    return std::find(groups.begin(), groups.end(), group) != groups.end();
}

// The daemon's own group may read it: a volume of Kubernetes with fsGroup has no other way to hand it on.
bool is_exposed(const struct stat& info) {
    if ((info.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0) return true;
    return (info.st_mode & S_IRGRP) != 0 && !is_own_group(info.st_gid);
}

// Anything that could be a public key must not be taken for the secret of an HMAC: anybody who has the public
// key could then sign. So JSON and PEM are recognised generously, and other well-known forms are refused by
// name.
KeyFileKind kind_of(std::string_view path, std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (ends_with_json_name(path) || (first != std::string_view::npos && text[first] == '{'))
        return KeyFileKind::json;
    if (text.find("-----BEGIN ") != std::string_view::npos) return KeyFileKind::pem;
    return KeyFileKind::secret;
}

// A DER SEQUENCE with a one- or two-byte length that is exactly the rest of the file.
bool looks_like_der(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(text[i])); };
    if (text.size() < 4 || byte(0) != 0x30) return false;
    if (byte(1) < 0x80) return text.size() == byte(1) + 2;
    if (byte(1) == 0x81) return text.size() == byte(2) + 3;
    return byte(1) == 0x82 && text.size() == (byte(2) << 8U | byte(3)) + 4;
}

KeyStatus refuse_other_forms(const std::string& path, std::string_view text) {
    if (looks_like_der(text)) {
        return unusable(path + ": is DER", "convert it to PEM with openssl pkey or openssl x509");
    }
    if (text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-")) {
        return unusable(path + ": is an OpenSSH key", "convert it with ssh-keygen -e -m PKCS8 -f " + path);
    }
    return Nothing{};
}

}  // namespace

SecretText::SecretText(SecretText&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.wipe();  // a short string is copied by a move, not stolen
}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    other.wipe();
    return *this;
}

void SecretText::wipe() noexcept {
    // The capacity, too: a moved-from short string keeps its bytes in the object.
    OPENSSL_cleanse(bytes_.data(), bytes_.capacity());
    bytes_.clear();
}

KeyResult<KeyFile> read_key_file(const std::string& path) {
    const auto located = locate_file(path);
    if (!located) return unusable(path + ": " + located.error());
    const OpenFile file(*located);
    if (file.fd < 0) return system_error(path, errno);
    struct stat info {};
    if (fstat(file.fd, &info) != 0) return system_error(path, errno);
    if (auto checked = check_kind_and_size(path, info); !checked) return failure(checked.error());

    std::string bytes(static_cast<size_t>(info.st_size) + 1, '\0');
    if (auto done = read_all(file, path, bytes); !done) return failure(done.error());
    if (bytes.empty()) return unusable(path + ": is empty", "write a key into it");

    const KeyFileKind kind = kind_of(path, bytes);
    if (kind == KeyFileKind::secret) {
        if (auto form = refuse_other_forms(path, bytes); !form) return failure(form.error());
        if (bytes.back() == '\n') bytes.pop_back();
    }
    const bool exposed =
        is_credential(path) ? (info.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0 : is_exposed(info);
    return KeyFile{path, kind, exposed, SecretText(std::move(bytes))};
}

KeyStatus refuse_if_exposed(const KeyFile& file) {
    if (!file.exposed) return Nothing{};
    return failure(KeyError{
        KeyError::Kind::exposed,
        file.path +
            ": holds secret key material and is open to others than its owner and the daemon's own group",
        fmt::format("run chmod 600 {}, or with systemd give it by LoadCredential= and `file credential`",
                    file.path)});
}

}  // namespace wayleave
