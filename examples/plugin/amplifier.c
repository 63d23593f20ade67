/* A guitar amplifier as an audio plug-in has it: buffers of 64 samples, 48 kHz, from standard input to standard output.
 *
 * Samples are float32, one channel. At the end it prints on standard error how long a buffer took.
 *
 *     streamrnn import examples/amplifier/amplifier.onnx -o amplifier.safetensors
 *     streamrnn export amplifier.safetensors -o amp --name amp
 *     cc -O2 -I amp examples/plugin/amplifier.c amp/amp.o -o amplifier
 *     ./amplifier < in.f32 > out.f32
 */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#endif

#include "amp.h"

#include <stdio.h>
#include <time.h>

#define BUFFER 64
#define RATE 48000.0

static amp_stream stream;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

int main(void) {
    float x[BUFFER * AMP_INPUTS], y[BUFFER * AMP_OUTPUTS];
    double worst = 0, total = 0;
    long n_buffers = 0;
    size_t n;

    amp_reset(&stream);
    while ((n = fread(x, sizeof(float) * AMP_INPUTS, BUFFER, stdin)) > 0) {
        double begin = now_us(), took;
        int status = amp_process(&stream, x, y, n);
        took = now_us() - begin;
        if (status != AMP_OK) { /* the stream is as it was: play silence, and go on */
            size_t i;
            for (i = 0; i < n * AMP_OUTPUTS; i++) y[i] = 0;
            fprintf(stderr, "buffer %ld: status %d, silence\n", n_buffers, status);
        }
        if (fwrite(y, sizeof(float) * AMP_OUTPUTS, n, stdout) != n) {
            fprintf(stderr, "standard output cannot be written\n");
            return 1;
        }
        total += took;
        if (took > worst) worst = took;
        n_buffers++;
    }
    if (n_buffers)
        fprintf(stderr, "%ld buffers of %d samples: mean %.1f us, worst %.1f us; a buffer plays %.0f us\n", n_buffers, BUFFER,
                total / (double)n_buffers, worst, BUFFER / RATE * 1e6);
    return 0;
}
