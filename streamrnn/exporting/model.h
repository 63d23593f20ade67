/* $name: a recurrent model that streams, for $target. Made by streamrnn $version.
 *
 * $layers: $n_inputs inputs, $n_outputs outputs.
 *$promise
 *
 * All memory of a stream is the caller's. Nothing is allocated, locked or kept elsewhere: streams are independent, and each may be
 * used by one thread at a time. x and y must not overlap. To link: cc main.c $name.o   To test: cc ${name}_test.c $name.o && ./a.out
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ${NAME}_INPUTS $n_inputs          /* numbers of a row */
#define ${NAME}_OUTPUTS $n_outputs
#define ${NAME}_ROWS $stride              /* rows of x for each step, and for each row of y */
#define ${NAME}_STREAM_BYTES $stream_bytes
#define ${NAME}_STREAM_ALIGN $align       /* bytes; another alignment is slower, not wrong */
#define ${NAME}_SNAPSHOT_BYTES $snapshot_bytes
#define ${NAME}_FINGERPRINT "$fingerprint"

/* What the functions return. After all but ${NAME}_OK the stream is as it was. */
#define ${NAME}_OK 0
#define ${NAME}_INPUT_NOT_FINITE 1    /* x has NaN or infinity */
#define ${NAME}_STATE_NOT_FINITE 2    /* a state has overflowed */
#define ${NAME}_NO_SUCH_ENTRY 3       /* an input is not the number of an entry of an embedding */
#define ${NAME}_NOT_RESET 4           /* the stream was not reset, or its memory was moved: save and load move a stream */
#define ${NAME}_BAD_SNAPSHOT 5        /* altered, or of another model */

#if defined(__cplusplus) && __cplusplus >= 201103L
#define ${NAME}_ALIGNED alignas(${NAME}_STREAM_ALIGN)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ${NAME}_ALIGNED _Alignas(${NAME}_STREAM_ALIGN)
#else
#define ${NAME}_ALIGNED
#endif

/* The memory of one stream. */
typedef struct ${name}_stream {
    ${NAME}_ALIGNED unsigned char memory[${NAME}_STREAM_BYTES];
} ${name}_stream;

/* Begin a stream in the model's initial state. Call this first. */
void ${name}_reset(${name}_stream *s);

/* Advance by one step: x has ${NAME}_ROWS * ${NAME}_INPUTS numbers, y gets ${NAME}_OUTPUTS. */
int ${name}_step(${name}_stream *s, const $real *x, $real *y);

/* Advance by n_steps steps, all of them or none: the same bits as one step after the other. */
int ${name}_process(${name}_stream *s, const $real *x, $real *y, size_t n_steps);

/* Write the state to ${NAME}_SNAPSHOT_BYTES bytes: the same as Python's snapshot(). Returns their number, or 0 if not reset. */
size_t ${name}_save(const ${name}_stream *s, void *bytes);

/* Go on from a saved state, of Python too. The stream need not be reset before. */
int ${name}_load(${name}_stream *s, const void *bytes);

#ifdef __cplusplus
}
#endif

#endif
