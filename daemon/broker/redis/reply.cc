#include "daemon/broker/redis/reply.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <new>
#include <utility>

namespace wayleave {

namespace {

constexpr size_t items_reserved = 3;

}  // namespace

// What hiredis builds replies with. A null pointer makes it give up.
struct RedisReplyReader::Objects {
    // Its children are made one after the other, so that none is pushed into a list that is not the last.
    static RedisReply* make(const redisReadTask* task, size_t bytes) {
        Bounds& used = *static_cast<Bounds*>(task->privdata);
        if (++used.items > most_items || (used.bytes += bytes) > most_bytes) return nullptr;
        if (task->parent == nullptr) return new RedisReply();
        return &static_cast<RedisReply*>(task->parent->obj)->items.emplace_back();
    }

    static void* text(const redisReadTask* task, char* bytes, size_t size) {
        RedisReply* reply = make(task, size);
        if (reply == nullptr) return nullptr;
        reply->kind = task->type == REDIS_REPLY_ERROR    ? RedisReply::Kind::error
                      : task->type == REDIS_REPLY_STATUS ? RedisReply::Kind::status
                                                         : RedisReply::Kind::text;
        reply->text.assign(bytes, size);
        return reply;
    }
    // Of which type the number of its items is depends on the version of hiredis. As many are reserved as a
    // publication has, and no more: a server that announces many has sent none yet.
    template <class Count>
    static void* list(const redisReadTask* task, Count count) {
        RedisReply* reply = make(task, 0);
        if (reply == nullptr) return nullptr;
        reply->kind = RedisReply::Kind::list;
        reply->items.reserve(std::min<size_t>(static_cast<size_t>(count), items_reserved));
        return reply;
    }
    static void* number(const redisReadTask* task, long long value) {
        RedisReply* reply = make(task, 0);
        if (reply == nullptr) return nullptr;
        reply->kind = RedisReply::Kind::number;
        reply->number = value;
        return reply;
    }
    static void* nothing(const redisReadTask* task) { return make(task, 0); }
    static void release(void* reply) { delete static_cast<RedisReply*>(reply); }

    static redisReplyObjectFunctions* functions() {
        static redisReplyObjectFunctions all = [] {
            redisReplyObjectFunctions out{};
            out.createString = text;
            out.createArray = list;
            out.createInteger = number;
            out.createNil = nothing;
            out.freeObject = release;
            return out;
        }();
        return &all;
    }
};

RedisReplyReader::RedisReplyReader()
    : used_(std::make_unique<Bounds>()), reader_(redisReaderCreateWithFunctions(Objects::functions())) {
    if (reader_ == nullptr) throw std::bad_alloc();
    reader_->privdata = used_.get();
}

RedisReplyReader::~RedisReplyReader() {
    redisReaderFree(reader_);
}

Status RedisReplyReader::feed(std::string_view bytes) {
    if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK)
        return failure(static_cast<const char*>(reader_->errstr));
    if (reader_->len - reader_->pos > most_bytes + bytes.size()) return failure("a reply is too large");
    return success();
}

Result<std::unique_ptr<RedisReply>> RedisReplyReader::next() {
    void* found = nullptr;
    if (redisReaderGetReply(reader_, &found) != REDIS_OK)
        return failure(static_cast<const char*>(reader_->errstr));
    if (found != nullptr) *used_ = {};
    return std::unique_ptr<RedisReply>(static_cast<RedisReply*>(found));
}

void append_command(std::string& out, const RedisWords& words) {
    std::vector<const char*> texts;
    std::vector<size_t> sizes;
    texts.reserve(words.size());
    sizes.reserve(words.size());
    for (const std::string_view word : words) {
        texts.push_back(word.data() == nullptr ? "" : word.data());
        sizes.push_back(word.size());
    }
    char* command = nullptr;
    const auto size =
        redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), sizes.data());
    if (size < 0) throw std::bad_alloc();
    const std::unique_ptr<char, void (*)(char*)> owned(command, redisFreeCommand);
    out.append(command, static_cast<size_t>(size));
}

}  // namespace wayleave
