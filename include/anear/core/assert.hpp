// ANEAR_ASSERT: states what only a bug of ours can break. On in every build, because a wrong answer
// costs more than a test of a flag; never used on input or on bytes from disk, which get a Result.
#pragma once

#include <cstdlib>

#if defined(__GNUC__) || defined(__clang__)
#define ANEAR_ASSERT(condition) (__builtin_expect(!(condition), 0) ? __builtin_trap() : void())
#else
#define ANEAR_ASSERT(condition) ((condition) ? void() : std::abort())
#endif
