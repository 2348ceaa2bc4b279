#include "daemon/broker/redis/cursors.h"

#include <algorithm>

#include "daemon/broker/redis/entry.h"

namespace wayleave {
namespace {

constexpr int64_t notes_every_ms = 1000;
constexpr size_t notes_at_once = 512;

}  // namespace

void RedisCursors::run(const char* what, const Cursor& cursor, RedisCalls::Done done) {
    calls_.run(cursor_script(),
               {shared_.keys.numbering(cursor.channel), shared_.keys.cursor(cursor.channel, cursor.user)},
               {what, epoch_text(cursor.position.epoch), std::to_string(cursor.position.offset),
                std::to_string(std::max<int64_t>(1, cursor.retention.keep_ms))},
               std::move(done));
}

void RedisCursors::acknowledge(const Cursor& cursor, const Ticket& ticket) {
    run("acknowledge", cursor, [this, ticket, position = cursor.position](const RedisReply& reply) {
        Receipt receipt{Receipt::Status::accepted, position, {}};
        if (!reply.is_list(3)) {
            receipt = {Receipt::Status::unavailable, {}, words_of(reply)};
        } else if (reply.items[0].text == "R") {
            receipt = {Receipt::Status::refused, {}, "the channel has no message of this epoch and offset"};
        }
        shared_.gate.leave(0);
        shared_.answer(ticket, std::move(receipt));
    });
}

void RedisCursors::progress(const Cursor& cursor, const Ticket& ticket) {
    run("look", cursor, [this, ticket, cursor](const RedisReply& reply) {
        Progress progress;
        const bool whole = reply.is_list(3);
        const auto top = whole ? read_position(reply.items[0].text) : failure(words_of(reply));
        const auto acknowledged = whole ? read_number(reply.items[1].text) : failure("");
        const auto delivered = whole ? read_number(reply.items[2].text) : failure("");
        if (top && acknowledged && delivered) {
            progress = {*top, *delivered, *acknowledged, {}};
            progress.delivered =
                std::max(progress.delivered, notes_.find(cursor.channel, cursor.user, top->epoch));
        } else {
            progress.because = top ? words_of(reply) : top.error();
        }
        shared_.gate.leave(0);
        shared_.answer(ticket, std::move(progress));
    });
}

// A note that is refused is of another numbering, and of no use any more.
void RedisCursors::turn() {
    if (under_way_ > 0 || calls_.now_ms() < noted_ms_ + notes_every_ms) return;
    noted_ms_ = calls_.now_ms();
    for (const Cursor& cursor : notes_.some(notes_at_once)) {
        ++under_way_;
        run("delivered", cursor, [this, cursor](const RedisReply& reply) {
            --under_way_;
            if (!reply.failed()) notes_.stored({cursor});
        });
    }
}

}  // namespace wayleave
