// How many handshakes at one time a backend is asked for: a thousand clients whose backend has come back must
// not be the storm that takes it down again. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace wayleave {

class HandshakePacer {
  public:
    // True: it goes at once, and the place is given back by done(). False: its turn comes.
    [[nodiscard]] bool enter(const std::string& backend, uint64_t stream, size_t most) {
        Line& line = lines_[backend];
        line.most = most;
        if (line.running >= most) {
            line.waiting.push_back(stream);
            return false;
        }
        ++line.running;
        return true;
    }

    // A handshake is over, however it ended.
    void done(const std::string& backend) { --lines_[backend].running; }

    struct Turn {
        std::string backend;
        uint64_t stream = 0;
    };

    // The next one that may go, of any backend; its place is taken. It may be gone: then give the place back.
    [[nodiscard]] std::optional<Turn> next() {
        for (auto it = lines_.begin(); it != lines_.end();) {
            Line& line = it->second;
            if (!line.waiting.empty() && line.running < line.most) {
                const uint64_t stream = line.waiting.front();
                line.waiting.pop_front();
                ++line.running;
                return Turn{it->first, stream};
            }
            if (line.waiting.empty() && line.running == 0) {
                lines_.erase(it++);
            } else {
                ++it;
            }
        }
        return std::nullopt;
    }

  private:
    struct Line {
        size_t most = 1;
        size_t running = 0;
        std::deque<uint64_t> waiting;
    };

    absl::flat_hash_map<std::string, Line> lines_;
};

}  // namespace wayleave
