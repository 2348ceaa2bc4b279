#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace wayleave {

// stderr goes to a file while this lives.
class CapturedStderr {
  public:
    CapturedStderr() : saved_(dup(STDERR_FILENO)) {
        const int fd = mkstemp(path_.data());
        dup2(fd, STDERR_FILENO);
        close(fd);
    }
    ~CapturedStderr() {
        dup2(saved_, STDERR_FILENO);
        close(saved_);
        unlink(path_.c_str());
    }
    CapturedStderr(const CapturedStderr&) = delete;
    CapturedStderr& operator=(const CapturedStderr&) = delete;

    [[nodiscard]] std::vector<std::string> lines() const {
        std::ifstream file(path_);
        std::vector<std::string> all;
        for (std::string line; std::getline(file, line);) all.push_back(line);
        return all;
    }

  private:
    int saved_;
    std::string path_ = "/tmp/wayleave-log-XXXXXX";
};

}  // namespace wayleave
