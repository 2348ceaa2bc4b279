// Tokens for the load: `bench_tokens KEY N` prints N that differ, one a line, each good for an hour.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "daemon/identity/sign.h"

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: bench_tokens KEY N\n"), 64;
    using namespace std::chrono;
    const auto now = duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
    for (long i = 0; i < std::atol(argv[2]); ++i) {
        const std::string claims =
            R"({"sub":"user-)" + std::to_string(i) + R"(","exp":)" + std::to_string(now + 3600) + "}";
        const auto token = wayleave::sign_token(argv[1], claims, "");
        if (!token) return std::fprintf(stderr, "%s\n", token.error().c_str()), 1;
        std::printf("%s\n", token->c_str());
    }
}
