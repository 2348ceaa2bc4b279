// Result<T>: a value or the reason why there is none. Expected failures are returned, never thrown.
// std::expected does not compile with clang 14, which the fuzz targets and clang-tidy need.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace wayleave {

template <class E>
struct Failure {
    E error;
};

template <class E>
Failure<std::decay_t<E>> failure(E&& error) {
    return {std::forward<E>(error)};
}

inline Failure<std::string> failure(const char* text) {
    return {text};
}

template <class T, class E = std::string>
class [[nodiscard]] Result {
  public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Failure<E> why) : content_(std::in_place_index<1>, std::move(why.error)) {}

    [[nodiscard]] bool ok() const { return content_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // Asking for what is not there is a bug of the caller: std::get throws.
    T& value() & { return std::get<0>(content_); }
    const T& value() const& { return std::get<0>(content_); }
    T&& value() && { return std::get<0>(std::move(content_)); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::get<0>(std::move(content_)); }
    const E& error() const { return std::get<1>(content_); }

  private:
    std::variant<T, E> content_;
};

struct Nothing {};
using Status = Result<Nothing>;
inline Status success() {
    return Nothing{};
}

}  // namespace wayleave
