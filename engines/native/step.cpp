// One step of a Llama-shaped model in bf16: all its tokens through all its layers in one call, without Python or an allocation in between.
//
// The residual sums, norms, rotations and softmaxes are in fp32; what enters a product is rounded to bf16. An adapter's pair is more inner dimension
// of the same product: y = [x | x A] [W ; B], where x A is zero in the rows that the adapter does not act on.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <linux/futex.h>
#include <omp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,amx-tile,amx-bf16")
#include "products.h"
#include "step.h"

namespace bankassist {

constexpr int64_t kRows = 32, kManyRows = 64, kMostAdapters = 64, kMostThreads = 256;
constexpr int64_t kAhead = 64;  // tokens

constexpr int64_t rounded(int64_t number) { return (number + 31) / 32 * 32; }

// Where threads wait for each other, two hundred times a token. The others are microseconds away, so it spins: to be put to sleep and woken costs more
// than what is waited for. Where they do not come soon, the processor is busy with somebody else's work, and it sleeps. (libgomp's barrier sleeps at once
// where a process has more threads than processors, whatever GOMP_SPINCOUNT says, and torch's own pool is enough for that.)
class Meeting {
  public:
    explicit Meeting(int64_t threads) : threads_(threads) {}

    void wait() {
        const int32_t round = round_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1);
            if (asleep_.load()) futex(FUTEX_WAKE_PRIVATE, std::numeric_limits<int32_t>::max());
            return;
        }
        for (int i = 0; i < kSpins; i++) {
            if (round_.load(std::memory_order_acquire) != round) return;
            _mm_pause();
        }
        asleep_.fetch_add(1);
        while (round_.load() == round) futex(FUTEX_WAIT_PRIVATE, round);
        asleep_.fetch_sub(1);
    }

  private:
    static constexpr int kSpins = 1000;  // some hundredths of a millisecond

    // std::atomic's own wait gives the processor away many times before it sleeps, which others who compute answer with a whole slice of time
    void futex(int operation, int32_t value) { syscall(SYS_futex, &round_, operation, value, nullptr, nullptr, 0); }

    const int64_t threads_;
    alignas(64) std::atomic<int64_t> arrived_{0};
    alignas(64) std::atomic<int32_t> round_{0};
    std::atomic<int32_t> asleep_{0};
    static_assert(sizeof(round_) == 4 && std::atomic<int32_t>::is_always_lock_free);
};

// What one thread computes. Few rows are shared out by columns, so that each weight is read once; many by rows, so that what a thread has written it
// reads from its own cache.
struct Part {
    bool by_rows;
    int64_t thread, threads, first, last;  // rows
    Meeting* meeting;

    static Part of(int64_t rows, int64_t thread, int64_t threads, Meeting* meeting) {
        const bool by_rows = rows >= kManyRows * threads;
        const int64_t blocks = (rows + kRows - 1) / kRows;
        return {by_rows, thread, threads, by_rows ? blocks * thread / threads * kRows : 0, by_rows ? std::min(rows, blocks * (thread + 1) / threads * kRows) : rows, meeting};
    }

    // The numbers from `from` up to `to` of `count` that are this thread's where columns are shared out.
    void share(int64_t count, int64_t& from, int64_t& to) const {
        from = by_rows ? 0 : count * thread / threads;
        to = by_rows ? count : count * (thread + 1) / threads;
    }

    // Where a thread reads next what the others have written, if columns are shared out.
    void wait() const {
        if (!by_rows) meeting->wait();
    }
};

// Hands out 64-byte aligned pieces of the room; without a room it counts what would be needed.
struct Room {
    char* base;
    int64_t used = 0;

    template <class T>
    T* take(int64_t count) {
        T* found = base ? reinterpret_cast<T*>(base + used) : nullptr;
        used += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
        return found;
    }
};

// What a thread needs for itself.
struct Own {
    float* sums;     // [2][32][32]
    bf16* normed;    // of all rows, where columns are shared out
    float* scores;   // [tokens][32]
    bf16* shares;    // softmaxes, packed
    bf16* question;  // 32 queries, packed
    bf16* keys;      // the last keys, padded
};

struct Buffers {
    float *x, *qkv;
    int64_t qkv_row;
    bf16 *normed, *queries, *attended, *inner, *last;
    bf16* inside[kMostAdapters];
    int64_t ranks[kMostAdapters];  // each adapter's highest
    bf16** values;  // per span, transposed: [kv head][head][tokens]
    uint8_t* acts;  // [block of 32 rows][adapter]
    Own own[kMostThreads];
};

int64_t longest(const Span& span) { return rounded(span.start + span.count); }

int64_t arrange(const Model& model, const Step& step, char* base, Buffers& to) {
    Room room{base};
    const int64_t rows = rounded(step.rows), queries = model.heads * model.head_size;
    const Layer& layer = model.layers[0];
    to.x = room.take<float>(rows * model.hidden);
    to.qkv = room.take<float>(rows * layer.qkv.n);
    to.qkv_row = layer.qkv.n;
    const bool by_rows = Part::of(step.rows, 0, step.threads, nullptr).by_rows;
    to.normed = room.take<bf16>(by_rows ? rows * model.hidden : 0);
    to.queries = room.take<bf16>(rows * queries);
    to.attended = room.take<bf16>(rows * queries);
    to.inner = room.take<bf16>(rows * model.inner);
    to.last = room.take<bf16>(rounded(step.wanted_count) * model.hidden);
    for (int64_t i = 0; i < step.adapter_count; i++) {
        to.ranks[i] = 0;
        for (int64_t j = 0; j < model.layer_count * 4; j++) to.ranks[i] = std::max(to.ranks[i], step.adapters[i][j].rank);
        to.inside[i] = room.take<bf16>(rows * to.ranks[i]);
    }
    to.acts = room.take<uint8_t>(rows / kRows * std::max<int64_t>(step.adapter_count, 1));
    to.values = room.take<bf16*>(step.span_count);
    int64_t most = 0;
    for (int64_t i = 0; i < step.span_count; i++) {
        const int64_t tokens = longest(step.spans[i]);
        bf16* values = room.take<bf16>(model.kv_heads * model.head_size * tokens);
        if (base) to.values[i] = values;
        most = std::max(most, tokens);
    }
    for (int64_t i = 0; i < step.threads; i++) {
        Own& own = to.own[i];
        own.sums = room.take<float>(2 * 32 * 32);
        own.normed = room.take<bf16>(by_rows ? 0 : rows * model.hidden);
        own.scores = room.take<float>(most * 32);
        own.shares = room.take<bf16>(most * 32);
        own.question = room.take<bf16>(model.head_size * 32);
        own.keys = room.take<bf16>(32 * model.head_size);
    }
    return room.used;
}

// While rows are multiplied by 32 columns of weights, those of the next 32 columns come from memory, a piece beside each 32 rows.
struct Fetch {
    const bf16* at;
    int64_t size, piece;

    Fetch(const bf16* weights, int64_t size, int64_t rows) : at(weights), size(size), piece((size * kRows / rows + 31) / 32 * 32) {}

    void operator()() {
        for (int64_t i = std::min(piece, size); i > 0; i -= 32, at += 32, size -= 32) _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    }
};

// Sums of 32 columns of up to 32 rows that are still to be put where they belong, a few rows at a time.
struct Waiting {
    const float* sums = nullptr;
    int64_t row = 0, column = 0;
    int next = 0, rows = 0;

    template <class Store>
    void some(int many, const Store& store) {
        for (const int end = std::min(rows, next + many); next < end; next++) store(row + next, column, sums + next * 32);
    }
};

// The insides of adapter `i` as rows of `rank`. A thread's own rows have their place whatever the rank: where rows are shared out, the other threads may be
// at a matrix of another rank.
inline bf16* inside(const Buffers& with, const Part& part, int64_t i, int64_t rank) { return with.inside[i] + part.first * (with.ranks[i] - rank); }

// The rows of `a` times a matrix, and the insides of the adapters that change it. `store(row, column, sums)` gets 32 columns of a row; it runs while the
// next 32 rows are multiplied.
template <class Kernel, class Store>
void product(const Matrix& matrix, const bf16* a, const Part& part, const Step& step, const Buffers& with, Own& own, int64_t pairs_of, const Store& store) {
    const int64_t steps = matrix.k / 32;
    int64_t from, to;
    part.share(matrix.n / 32, from, to);
    const int pace = static_cast<int>((kRows + steps - 1) / steps);  // rows a step, so that none is left at the end
    Waiting waiting;
    float* sums = own.sums;
    for (int64_t pair = from; pair < to; pair++) {
        const bf16* panel = matrix.weights + 2 * pair * steps * kTile;
        const int64_t size = 2 * steps * kTile, many = part.last - part.first;
        Fetch fetch(panel + size, pair + 1 < to && many > kRows ? size : 0, std::max<int64_t>(many, 1));
        for (int64_t row = part.first; row < part.last; row += kRows) {
            fetch();
            Operand operands[1 + kMostAdapters];
            operands[0] = Operand::of_tiles(a, row, panel, panel + steps * kTile, steps);
            int count = 1;
            if (pairs_of >= 0)
                for (int64_t i = 0; i < step.adapter_count; i++) {
                    const Pair& lora = step.adapters[i][pairs_of];
                    if (!lora.rank || !with.acts[row / kRows * step.adapter_count + i]) continue;
                    const bf16* b = lora.b + 2 * pair * (lora.rank / 32) * kTile;
                    operands[count++] = Operand::of_tiles(inside(with, part, i, lora.rank), row, b, b + lora.rank / 32 * kTile, lora.rank / 32);
                }
            const int here = static_cast<int>(std::min(kRows, part.last - row));
            multiply<Kernel, 2>(operands, count, here, sums, [&] { waiting.some(pace, store); });
            waiting.some(kRows, store);
            waiting = {sums, row, pair * 32, 0, here};
            sums = sums == own.sums ? own.sums + 32 * 32 : own.sums;
        }
    }
    waiting.some(kRows, store);
    part.wait();
}

// What each adapter's A makes of the rows; zero in the rows that it does not act on.
template <class Kernel>
void insides(const bf16* a, int64_t width, const Part& part, const Step& step, const Buffers& with, Own& own, int64_t pairs_of) {
    int64_t works = 0;  // 32 ranks for 32 rows each
    const auto mine = [&](int64_t work) { return part.by_rows || work % part.threads == part.thread; };
    for (int64_t i = 0; i < step.adapter_count; i++) {
        const Pair& lora = step.adapters[i][pairs_of];
        for (int64_t row = part.first; row < part.last && lora.rank; row += kRows) {
            if (!with.acts[row / kRows * step.adapter_count + i]) continue;
            for (int64_t pair = 0; pair < lora.rank / 32; pair++) {
                if (!mine(works++)) continue;
                const bf16* b = lora.a + 2 * pair * (width / 32) * kTile;
                const Operand operand = Operand::of_tiles(a, row, b, b + width / 32 * kTile, width / 32);
                const int here = static_cast<int>(std::min(kRows, part.last - row));
                multiply<Kernel, 2>(&operand, 1, here, own.sums);
                for (int r = 0; r < here; r++) {
                    bf16* to = inside(with, part, i, lora.rank) + tiled(row + r, pair * 32, lora.rank);
                    if (step.owners[row + r] == i) {
                        narrow(to, _mm512_loadu_ps(own.sums + r * 32));
                        narrow(to + 16, _mm512_loadu_ps(own.sums + r * 32 + 16));
                    } else {
                        std::memset(to, 0, 64);
                    }
                }
            }
        }
    }
    if (works) part.wait();
}

inline __m512 biased(const Matrix& matrix, int64_t column, __m512 sum) {
    return matrix.bias ? _mm512_add_ps(sum, _mm512_loadu_ps(matrix.bias + column)) : sum;
}

// RMS norm (arXiv 1910.07467) of one row, as row `row` of a left side.
void normalise(const float* x, const float* weights, int64_t size, double epsilon, bf16* to, int64_t row) {
    __m512 squares = _mm512_setzero_ps();
    for (int64_t i = 0; i < size; i += 16) {
        const __m512 part = _mm512_loadu_ps(x + i);
        squares = _mm512_fmadd_ps(part, part, squares);
    }
    const float mean = _mm512_reduce_add_ps(squares) / static_cast<float>(size) + static_cast<float>(epsilon);
    const __m512 factor = _mm512_set1_ps(1.0f / __builtin_sqrtf(mean));
    for (int64_t i = 0; i < size; i += 16)
        narrow(to + tiled(row, i, size), _mm512_mul_ps(_mm512_mul_ps(_mm512_loadu_ps(x + i), factor), _mm512_loadu_ps(weights + i)));
}

// The rows that this thread reads next, normalised: its own where rows are shared out, else all of them, in every thread, which costs less than to wait.
const bf16* normalise_all(const float* weights, const Model& model, const Part& part, const Buffers& with, Own& own) {
    bf16* to = part.by_rows ? with.normed : own.normed;
    for (int64_t row = part.first; row < part.last; row++)
        normalise(with.x + row * model.hidden, weights, model.hidden, model.epsilon, to, row);
    return to;
}

// A head turned by its position (arXiv 2104.09864), in halves as transformers does it.
inline void turn(const float* from, const float* cos, const float* sin, int64_t size, bf16* to) {
    const int64_t half = size / 2;
    for (int64_t i = 0; i < size; i += 16) {
        const float* other = i < half ? from + i + half : from + i - half;
        const __m512 crossed = _mm512_mul_ps(_mm512_loadu_ps(other), _mm512_loadu_ps(sin + i));
        narrow(to + i, _mm512_fmadd_ps(_mm512_loadu_ps(from + i), _mm512_loadu_ps(cos + i), crossed));
    }
}

// Of some rows the queries that read one head's keys are turned; its turned keys, and its values, go to their places in memory.
void place(const Model& model, const Step& step, int64_t first, int64_t last, int64_t head, const Buffers& with, bf16* memory) {
    const int64_t size = model.head_size, each = model.heads / model.kv_heads, width = 2 * model.kv_heads * size;
    for (int64_t row = first; row < last; row++) {
        const float *from = with.qkv + row * with.qkv_row, *cos = model.cos + step.positions[row] * size, *sin = model.sin + step.positions[row] * size;
        for (int64_t query = head * each; query < (head + 1) * each; query++)
            turn(from + query * size, cos, sin, size, with.queries + (row * model.heads + query) * size);
        bf16* to = memory + step.places[row] * width + head * size;
        turn(from + (model.heads + head) * size, cos, sin, size, to);
        const float* values = from + (model.heads + model.kv_heads + head) * size;
        for (int64_t i = 0; i < size; i += 16) narrow(to + model.kv_heads * size + i, _mm512_loadu_ps(values + i));
    }
}

// Tokens that are read next: they lie too far apart for the processor to guess.
inline void fetch(const bf16* from, int64_t width, int64_t token, int64_t tokens, int64_t count, int64_t size) {
    for (int64_t r = 0; r < count && token + r < tokens; r++)
        for (int64_t i = 0; i < size; i += 32) _mm_prefetch(reinterpret_cast<const char*>(from + r * width + i), _MM_HINT_T0);
}

// The values of one head of a sequence with tokens as columns, zero behind its end.
void turn_values(const Model& model, const Span& span, const bf16* memory, int64_t head, bf16* to) {
    static const bf16 nothing[16] = {};
    const int64_t tokens = span.start + span.count, row = rounded(tokens), width = 2 * model.kv_heads * model.head_size;
    const bf16* from = memory + span.place * width + (model.kv_heads + head) * model.head_size;
    for (int64_t token = 0; token < row; token += 16) {
        fetch(from + (token + kAhead) * width, width, token + kAhead, tokens, 16, model.head_size);
        for (int64_t i = 0; i < model.head_size; i += 16) {
            const bf16* rows[16];
            for (int64_t r = 0; r < 16; r++) rows[r] = token + r < tokens ? from + (token + r) * width + i : nothing;
            transpose(to + i * row + token, row, rows);
        }
    }
}

// Sixteen (query, head) pairs that read the same keys and values, or twice as many (C is 2). Scores stand as [token][pair], so that each lane is one softmax.
template <class Kernel, int C>
void attend(const Model& model, const Span& span, const bf16* memory, int64_t head, int64_t first, const bf16* values, const Buffers& with, Own& own) {
    const int64_t size = model.head_size, each = model.heads / model.kv_heads, width = 2 * model.kv_heads * size;
    const int64_t pairs = std::min<int64_t>(16 * C, span.count * each - first), all = span.start + span.count;
    const auto query = [&](int64_t pair) { return (first + pair) / each; };
    const auto column = [&](int64_t pair) { return (head * each + (first + pair) % each) * size; };

    std::memset(own.question, 0, size * 32 * C);
    alignas(64) int32_t ends[16 * C];  // the last token that a pair sees
    for (int64_t pair = 0; pair < 16 * C; pair++) ends[pair] = static_cast<int32_t>(span.start + query(std::min(pair, pairs - 1)));
    for (int64_t pair = 0; pair < pairs; pair++) {
        const bf16* from = with.queries + (span.first + query(pair)) * model.heads * size + column(pair);
        bf16* to = own.question + pair / 16 * size * 16 + pair % 16 * 2;
        for (int64_t k = 0; k < size; k += 2) std::memcpy(to + k * 16, from + k, 4);
    }
    const int64_t tokens = ends[16 * C - 1] + 1, seen_by_all = ends[0] + 1;
    const bf16* keys = memory + span.place * width + head * size;
    const auto last = [&](int c) { return _mm512_load_si512(ends + 16 * c); };
    const auto seen = [&](int64_t token, int c) { return _mm512_cmple_epi32_mask(_mm512_set1_epi32(static_cast<int32_t>(token)), last(c)); };
    for (int64_t token = 0; token < tokens; token += 32) {
        fetch(keys + (token + kAhead) * width, width, token + kAhead, tokens, 32, size);
        Operand operand = Operand::of_rows(keys + token * width, width, own.question, own.question + size * 16, size / 32);
        if (token + 32 > all) {  // not beyond the sequence's own tokens
            for (int64_t r = 0; r < 32; r++) {
                if (token + r < all)
                    std::memcpy(own.keys + r * size, operand.a + r * width, size * 2);
                else
                    std::memset(own.keys + r * size, 0, size * 2);
            }
            operand = Operand::of_rows(own.keys, size, own.question, own.question + size * 16, size / 32);
        }
        multiply<Kernel, C>(&operand, 1, 32, own.scores + token * 16 * C);
    }
    const __m512 low = _mm512_set1_ps(-std::numeric_limits<float>::infinity()), scale = _mm512_set1_ps(static_cast<float>(model.scale) * kLog2E);
    alignas(64) float factors[16 * C];
    const int64_t row = rounded(all), steps = (tokens + 31) / 32;
    for (int c = 0; c < C; c++) {
        const auto score = [&](int64_t token) { return _mm512_loadu_ps(own.scores + (token * C + c) * 16); };
        __m512 largest = low, total = _mm512_setzero_ps();
        for (int64_t token = 0; token < tokens; token++)
            largest = _mm512_max_ps(largest, token < seen_by_all ? score(token) : _mm512_mask_blend_ps(seen(token, c), low, score(token)));
        const __m512 shift = _mm512_mul_ps(largest, scale);
        const auto share = [&](int64_t token) { return power_of_two(_mm512_fmsub_ps(score(token), scale, shift)); };
        bf16* to = own.shares + c * steps * kTile;
        for (int64_t token = 0; token < tokens; token += 32)
            for (int64_t r = token; r < token + 32; r += 2) {
                __m512 one = share(r), two = share(r + 1);
                if (token + 32 > seen_by_all) one = _mm512_maskz_mov_ps(seen(r, c), one), two = _mm512_maskz_mov_ps(seen(r + 1, c), two);
                total = _mm512_add_ps(total, _mm512_add_ps(one, two));
                narrow_pairs(to + r * 16, one, two);
            }
        _mm512_store_ps(factors + 16 * c, _mm512_div_ps(_mm512_set1_ps(1.0f), total));
    }
    for (int64_t i = 0; i < size; i += 32) {
        const Operand operand = Operand::of_rows(values + i * row, row, own.shares, own.shares + steps * kTile, steps);
        multiply<Kernel, C>(&operand, 1, 32, own.sums);
        for (int64_t pair = 0; pair < pairs; pair++) {
            const __m512i every = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32(16 * C));
            const __m512 factor = _mm512_set1_ps(factors[pair]);
            bf16* to = with.attended + tiled(span.first + query(pair), column(pair) + i, model.heads * size);
            narrow(to, _mm512_mul_ps(_mm512_i32gather_ps(every, own.sums + pair, 4), factor));
            narrow(to + 16, _mm512_mul_ps(_mm512_i32gather_ps(every, own.sums + 256 * C + pair, 4), factor));
        }
    }
}

struct Task {
    int64_t span, head, first;
};

// How many of some tasks are taken: each thread takes the next one when it is done with its last.
using Taken = std::atomic<int64_t>;

template <class Kernel>
void attention(const Model& model, const Part& part, const Step& step, const Buffers& with, bf16* memory, Own& own, const Task* tasks, int64_t task_count, Taken* taken) {
    const int64_t each = model.heads / model.kv_heads;
    const auto values = [&](int64_t span, int64_t head) { return with.values[span] + head * model.head_size * longest(step.spans[span]); };
    if (part.by_rows) {
        for (int64_t head = 0; head < model.kv_heads; head++) place(model, step, part.first, part.last, head, with, memory);
        part.meeting->wait();
    }
    for (int64_t next; (next = taken[0]++) < step.span_count * model.kv_heads;) {
        const int64_t i = next / model.kv_heads, head = next % model.kv_heads;
        const Span& span = step.spans[i];
        if (!part.by_rows) place(model, step, span.first, span.first + span.count, head, with, memory);
        turn_values(model, span, memory, head, values(i, head));
        if (span.count * each <= 16) attend<Kernel, 1>(model, span, memory, head, 0, values(i, head), with, own);
    }
    part.meeting->wait();
    if (!task_count) return;
    for (int64_t next; (next = taken[1]++) < task_count;) {
        const Task& task = tasks[next];
        attend<Kernel, 2>(model, step.spans[task.span], memory, task.head, task.first, values(task.span, task.head), with, own);
    }
    part.meeting->wait();
}

// Returns how many threads there were: with others than were asked for, nothing is computed.
template <class Kernel>
int64_t run(const Model& model, const Step& step, Buffers& with) {
    const int64_t rows = step.rows, hidden = model.hidden, each = model.heads / model.kv_heads;
    const int64_t width = 2 * model.kv_heads * model.head_size;
    std::memset(with.acts, 0, rounded(rows) / kRows * std::max<int64_t>(step.adapter_count, 1));
    for (int64_t row = 0; row < rows; row++)
        if (step.owners[row] >= 0) with.acts[row / kRows * step.adapter_count + step.owners[row]] = 1;
    int64_t task_count = 0;
    const auto shared = [&](const Span& span) { return span.count * each > 16 ? (span.count * each + 31) / 32 : 0; };
    for (int64_t i = 0; i < step.span_count; i++) task_count += shared(step.spans[i]) * model.kv_heads;
    const std::unique_ptr<Task[]> tasks(new Task[task_count]);
    task_count = 0;
    for (int64_t i = 0; i < step.span_count; i++)
        for (int64_t head = 0; head < model.kv_heads; head++)
            for (int64_t block = shared(step.spans[i]) - 1; block >= 0; block--) tasks[task_count++] = {i, head, block * 32};  // the longest first

    const std::unique_ptr<Taken[]> taken(new Taken[2 * model.layer_count]());
    Meeting meeting(step.threads);
    const auto work = [&](int64_t thread) {
        Kernel::begin();
        const Part part = Part::of(rows, thread, step.threads, &meeting);
        Own& own = with.own[part.thread];
        const auto add = [&](const Matrix& matrix) {
            return [&](int64_t row, int64_t column, const float* sums) {
                for (int j = 0; j < 32; j += 16) {
                    float* to = with.x + row * hidden + column + j;
                    _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), biased(matrix, column + j, _mm512_loadu_ps(sums + j))));
                }
            };
        };
        if (part.by_rows || part.thread == 0)
            for (int64_t row = part.first; row < part.last; row++)
                for (int64_t i = 0; i < hidden; i += 16) _mm512_storeu_ps(with.x + row * hidden + i, widen(model.embedding + step.tokens[row] * hidden + i));
        part.wait();

        for (int64_t number = 0; number < model.layer_count; number++) {
            const Layer& layer = model.layers[number];

            const bf16* normed = normalise_all(layer.attention_norm, model, part, with, own);
            insides<Kernel>(normed, hidden, part, step, with, own, number * 4);
            product<Kernel>(layer.qkv, normed, part, step, with, own, number * 4, [&](int64_t row, int64_t column, const float* sums) {
                for (int j = 0; j < 32; j += 16)
                    _mm512_storeu_ps(with.qkv + row * with.qkv_row + column + j, biased(layer.qkv, column + j, _mm512_loadu_ps(sums + j)));
            });
            attention<Kernel>(model, part, step, with, step.memory + number * step.layer_places * width, own, tasks.get(), task_count, &taken[2 * number]);
            insides<Kernel>(with.attended, layer.out.k, part, step, with, own, number * 4 + 1);
            product<Kernel>(layer.out, with.attended, part, step, with, own, number * 4 + 1, add(layer.out));

            normed = normalise_all(layer.mlp_norm, model, part, with, own);
            insides<Kernel>(normed, hidden, part, step, with, own, number * 4 + 2);
            product<Kernel>(layer.gate_up, normed, part, step, with, own, number * 4 + 2, [&](int64_t row, int64_t column, const float* sums) {
                const __m512 gate = biased(layer.gate_up, column, _mm512_loadu_ps(sums)), up = biased(layer.gate_up, column + 16, _mm512_loadu_ps(sums + 16));
                narrow(with.inner + tiled(row, column / 2, model.inner), _mm512_mul_ps(silu(gate), up));
            });
            insides<Kernel>(with.inner, model.inner, part, step, with, own, number * 4 + 3);
            product<Kernel>(layer.down, with.inner, part, step, with, own, number * 4 + 3, add(layer.down));
        }
        if (part.by_rows) meeting.wait();
        for (int64_t i = part.thread; i < step.wanted_count; i += part.threads)
            normalise(with.x + step.wanted[i] * hidden, model.norm, hidden, model.epsilon, with.last, i);
        meeting.wait();
        const Part columns{false, part.thread, part.threads, 0, step.wanted_count, &meeting};
        product<Kernel>(model.head, with.last, columns, step, with, own, -1, [&](int64_t row, int64_t column, const float* sums) {
            for (int j = 0; j < 32; j += 16) _mm512_storeu_ps(step.logits + row * model.head.n + column + j, _mm512_loadu_ps(sums + j));
        });
        Kernel::end();
    };

    int64_t threads = 0;
#pragma omp parallel num_threads(static_cast<int>(step.threads))
    {
        if (omp_get_thread_num() == 0) threads = omp_get_num_threads();
        if (omp_get_num_threads() == step.threads) work(omp_get_thread_num());
    }
    return threads;
}

}  // namespace bankassist
#pragma GCC pop_options

namespace {

using namespace bankassist;

// What this processor computes steps with: "amx", "avx512", or "" for neither.
const char* kernel() {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return "";
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // Linux wants to be asked for the tiles' registers, once a process
    if (__builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) return "amx";
    return "avx512";
}

PyObject* py_kernel(PyObject*, PyObject*) { return PyUnicode_FromString(kernel()); }

PyObject* py_sizes(PyObject*, PyObject*) {
    return Py_BuildValue("(nnnnnn)", sizeof(Matrix), sizeof(Layer), sizeof(Model), sizeof(Pair), sizeof(Span), sizeof(Step));
}

PyObject* py_room(PyObject*, PyObject* args) {
    Py_ssize_t model, step;
    if (!PyArg_ParseTuple(args, "nn", &model, &step)) return nullptr;
    Buffers none;
    return PyLong_FromSsize_t(arrange(*reinterpret_cast<const Model*>(model), *reinterpret_cast<const Step*>(step), nullptr, none));
}

PyObject* py_run(PyObject*, PyObject* args) {
    Py_ssize_t model_at, step_at;
    if (!PyArg_ParseTuple(args, "nn", &model_at, &step_at)) return nullptr;
    const Model& model = *reinterpret_cast<const Model*>(model_at);
    const Step& step = *reinterpret_cast<const Step*>(step_at);
    if (step.threads < 1 || step.threads > kMostThreads || step.adapter_count > kMostAdapters) {
        PyErr_Format(PyExc_ValueError, "%lld threads and %lld adapters: at most %d and %d", step.threads, step.adapter_count, int(kMostThreads), int(kMostAdapters));
        return nullptr;
    }
    Buffers with;
    if (arrange(model, step, step.room, with) > step.room_bytes) {
        PyErr_SetString(PyExc_ValueError, "too little room for the step");
        return nullptr;
    }
    int64_t threads;
    Py_BEGIN_ALLOW_THREADS;
    threads = step.tiles ? run<Amx>(model, step, with) : run<Avx512>(model, step, with);
    Py_END_ALLOW_THREADS;
    if (threads != step.threads) {
        PyErr_Format(PyExc_RuntimeError, "OpenMP gives %lld threads instead of %lld; is OMP_THREAD_LIMIT set?", threads, step.threads);
        return nullptr;
    }
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"kernel", py_kernel, METH_NOARGS, "What this processor computes steps with: amx, avx512, or an empty text for neither."},
    {"sizes", py_sizes, METH_NOARGS, "Bytes of Matrix, Layer, Model, Pair, Span and Step."},
    {"room", py_room, METH_VARARGS, "Bytes of room that a step needs: room(model, step), both addresses."},
    {"run", py_run, METH_VARARGS, "Compute a step: run(model, step), both addresses."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_step", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__step() { return PyModule_Create(&module); }
