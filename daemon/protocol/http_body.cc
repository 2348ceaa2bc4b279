#include "daemon/protocol/http_body.h"

#include <algorithm>

#include "daemon/base/ascii.h"

namespace wayleave {
namespace {

constexpr uint32_t most_digits = 8;       // 4 GiB: far beyond any bound of ours
constexpr uint32_t most_extension = 256;  // bytes for each chunk; nobody means anything by them
constexpr uint32_t most_trailer = 8192;
constexpr std::string_view too_big = "the body is larger than a message may be here";
constexpr std::string_view bad_size = "the size of a chunk is no hexadecimal number";
constexpr std::string_view bad_trailer = "the fields behind the last chunk are too long or malformed";
constexpr std::string_view bad_end = "a chunk does not end where its size says";

}  // namespace

BodyReader::BodyReader(std::optional<uint64_t> length, uint64_t most, Trailers trailers)
    : step_(length ? Step::data : Step::size),
      chunked_(!length),
      trailers_(trailers),
      most_(most),
      left_(length.value_or(0)) {
    if (left_ > most_) {
        (void)refuse(413, too_big);
    } else if (length && left_ == 0) {
        step_ = Step::done;
    }
}

BodyReader::State BodyReader::refuse(int status, std::string_view reason) {
    step_ = Step::broken;
    status_ = status;
    reason_ = reason;
    body_.clear();
    return State::refused;
}

BodyReader::State BodyReader::read(std::string_view& bytes) {
    while (step_ != Step::done && step_ != Step::broken && !bytes.empty()) {
        if (step_ == Step::data) {
            take_data(bytes);
        } else if (take_mark(bytes.front())) {
            bytes.remove_prefix(1);
        }
    }
    if (step_ == Step::broken) return State::refused;
    return step_ == Step::done ? State::complete : State::reading;
}

void BodyReader::take_data(std::string_view& bytes) {
    const auto part = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, bytes.size())));
    body_.append(part);
    bytes.remove_prefix(part.size());
    left_ -= part.size();
    read_ += part.size();
    if (left_ == 0) step_ = chunked_ ? Step::data_cr : Step::done;
}

// One byte of what stands around the chunks. False: it is refused.
bool BodyReader::take_mark(char c) {
    const auto expect = [&](char wanted, Step next, std::string_view otherwise) {
        if (c != wanted) return refuse(400, otherwise) != State::refused;
        step_ = next;
        return true;
    };
    switch (step_) {
        case Step::size: return take_size(c);
        case Step::extension:
            if (c == '\r') return expect('\r', Step::size_end, bad_size);
            // A bare LF that one reader takes for the end and another does not is how requests are smuggled.
            if (++extension_ > most_extension || (static_cast<unsigned char>(c) < 0x20 && c != '\t') ||
                c == 0x7f)
                return refuse(400, "the extension of a chunk is too long or has a control byte") !=
                       State::refused;
            return true;
        case Step::size_end: return c == '\n' ? begin_chunk() : expect('\n', Step::size, bad_size);
        case Step::data_cr: return expect('\r', Step::data_lf, bad_end);
        case Step::data_lf: return expect('\n', Step::size, bad_end);
        case Step::last_cr:
            if (c != '\r' && trailers_ == Trailers::dropped) return take_trailer(c);
            return expect('\r', Step::last_lf, "fields behind the last chunk are not taken");
        case Step::last_lf: return expect('\n', Step::done, bad_end);
        case Step::trailer: return take_trailer(c);
        case Step::trailer_lf: return expect('\n', Step::last_cr, bad_trailer);
        default: return false;
    }
}

bool BodyReader::take_size(char c) {
    if (const int digit = hex_digit(c); digit >= 0) {
        if (++digits_ > most_digits) return refuse(413, too_big) != State::refused;
        left_ = left_ * 16 + static_cast<uint64_t>(digit);
        return true;
    }
    if (digits_ == 0 || (c != '\r' && c != ';')) return refuse(400, bad_size) != State::refused;
    step_ = c == '\r' ? Step::size_end : Step::extension;
    return true;
}

bool BodyReader::take_trailer(char c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = (byte < 0x20 && c != '\t' && c != '\r') || byte == 0x7f;
    if (control || ++trailer_ > most_trailer) return refuse(400, bad_trailer) != State::refused;
    step_ = c == '\r' ? Step::trailer_lf : Step::trailer;
    return true;
}

bool BodyReader::begin_chunk() {
    if (left_ > most_ - read_) return refuse(413, too_big) != State::refused;
    step_ = left_ == 0 ? Step::last_cr : Step::data;
    digits_ = 0;
    extension_ = 0;
    return true;
}

}  // namespace wayleave
