/* Compares $name.o with what Python answered to the same input: cc ${name}_test.c $name.o && ./a.out
 * Exit code 0: equal. Another one is that of the check that failed. Made for $target.
 */
#include "$name.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define N_STEPS $n_steps
#define N_X (N_STEPS * ${NAME}_ROWS * ${NAME}_INPUTS)
#define N_Y (N_STEPS * ${NAME}_OUTPUTS)

static const $bits x_bits[N_X] = {
    $x};
static const $bits y_bits[N_Y] = {
    $y};
static const unsigned char python_snapshot[${NAME}_SNAPSHOT_BYTES] = {
    $snapshot};

static const $real tolerance = ($real)$tolerance;
static $real x[N_X], y[N_Y], expected[N_Y];
static unsigned char saved[${NAME}_SNAPSHOT_BYTES], again[${NAME}_SNAPSHOT_BYTES];
static ${name}_stream one, other;

/* 1 where y is what Python answered. */
static int is_right(void) {
    size_t i;
    if (tolerance == 0)
        return memcmp(y, expected, sizeof y) == 0;
    for (i = 0; i < N_Y; i++)
        if (!(y[i] - expected[i] <= tolerance && expected[i] - y[i] <= tolerance))
            return 0;
    return 1;
}

/* 0, or the number of the first check that failed. */
static int failed_check(void) {
    size_t step, half = N_STEPS / 2;
    $real not_a_number = 0;
    memcpy(x, x_bits, sizeof x);
    memcpy(expected, y_bits, sizeof y);

    if (${name}_step(&one, x, y) != ${NAME}_NOT_RESET) return 1;
    ${name}_reset(&one);
    for (step = 0; step < N_STEPS; step++)
        if (${name}_step(&one, x + step * (N_X / N_STEPS), y + step * (N_Y / N_STEPS)) != ${NAME}_OK) return 2;
    if (!is_right()) return 3;

    /* Saved and loaded in the middle, and the second half as one call. */
    ${name}_reset(&one);
    if (${name}_process(&one, x, y, half) != ${NAME}_OK) return 4;
    if (${name}_save(&one, saved) != ${NAME}_SNAPSHOT_BYTES) return 5;
    if (${name}_load(&other, saved) != ${NAME}_OK) return 6;
    memset(y + half * (N_Y / N_STEPS), 0, sizeof y / 2);
    if (${name}_process(&other, x + half * (N_X / N_STEPS), y + half * (N_Y / N_STEPS), N_STEPS - half) != ${NAME}_OK) return 7;
    if (!is_right()) return 8;
    if (${name}_save(&other, saved) != ${NAME}_SNAPSHOT_BYTES) return 9;
    if (tolerance == 0 && memcmp(saved, python_snapshot, sizeof saved) != 0) return 10;
    if (${name}_load(&one, python_snapshot) != ${NAME}_OK) return 11;

    /* What is refused changes nothing. */
    memset(&not_a_number, 0xff, sizeof not_a_number);
    x[0] = not_a_number;
    if (${name}_step(&other, x, y) != ${NAME}_INPUT_NOT_FINITE) return 12;
    saved[${NAME}_SNAPSHOT_BYTES - 1] ^= 1;
    if (${name}_load(&other, saved) != ${NAME}_BAD_SNAPSHOT) return 13;
    saved[${NAME}_SNAPSHOT_BYTES - 1] ^= 1;
    if (${name}_save(&other, again) != ${NAME}_SNAPSHOT_BYTES || memcmp(again, saved, sizeof saved) != 0) return 14;
    return 0;
}

int main(void) {
    int failed = failed_check();
    if (failed)
        printf("$name: check %d failed\n", failed);
    else
        printf("$name: %d steps, $equal\n", N_STEPS);
    return failed;
}
