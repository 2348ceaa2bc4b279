// A descriptor that closes itself.
#pragma once

namespace wayleave {

class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() { close(); }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool open() const { return fd_ >= 0; }
    [[nodiscard]] int release();  // the caller closes it
    // Another descriptor of the same file; not open if there is none left, with errno.
    [[nodiscard]] FileDescriptor share() const;
    void close();

  private:
    int fd_ = -1;
};

}  // namespace wayleave
