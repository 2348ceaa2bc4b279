// One HTTP exchange with libcurl. Private to daemon/backend; one thread.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "daemon/message/backend.h"

namespace wayleave {

struct FreeEasy {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct FreeList {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

// libcurl keeps its address: it neither moves nor is copied.
class Transfer {
  public:
    // Owned by the one who drives it; `owner` is what owner() gives back.
    Transfer(const BackendRequest& request, int64_t timeout_ms, int64_t wall_ms, void* owner);
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    [[nodiscard]] CURL* easy() const { return easy_.get(); }
    static void* owner(CURL* easy);
    [[nodiscard]] BackendAnswer finish(CURLcode result);

  private:
    static size_t on_body(const char* data, size_t one, size_t size, void* self) noexcept;
    static size_t on_header(const char* data, size_t one, size_t size, void* self) noexcept;

    template <class T>
    void set(CURLoption option, T value);
    void add_header(const std::string& line);
    void set_up(int64_t timeout_ms, void* owner);
    void sign(int64_t wall_ms);
    void note_field(std::string_view name, std::string_view value);

    const BackendRequest& request_;
    std::unique_ptr<CURL, FreeEasy> easy_;
    std::unique_ptr<curl_slist, FreeList> headers_;
    std::string body_;
    size_t header_bytes_ = 0;
    bool too_large_ = false;
    BackendAnswer answer_;  // what its fields said so far
};

// Why a request is not sent: something in it would end its line, and begin another of its maker's choice.
// Empty: nothing is wrong. The maker of a request checks what is in it; this is the second line.
[[nodiscard]] std::string_view fault_of(const BackendRequest& request);

// max-age of a Cache-Control field's value; nothing if it has none. no-store and no-cache are 0.
[[nodiscard]] std::optional<int64_t> max_age_of(std::string_view cache_control);

}  // namespace wayleave
