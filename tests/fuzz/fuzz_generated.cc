// The bytes choose a policy without mistakes and inputs for it: it compiles, and decides as the slow
// interpreter does.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "tests/support/differential.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    wayleave::tests::Choices choices(std::span(data, size));
    const auto result = wayleave::tests::decide_generated(choices, 4);
    if (result.failure.empty()) return 0;
    std::fprintf(stderr, "%s\n", result.failure.c_str());
    std::abort();
}
