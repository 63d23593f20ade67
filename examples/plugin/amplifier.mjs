// The same amplifier in JavaScript, in Node or a browser: float32 samples from standard input to standard output.
//
//     streamrnn export amplifier.safetensors -o amp --name amp --target wasm32 --shared
//     node examples/plugin/amplifier.mjs amp/amp.wasm < in.f32 > out.f32

import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

const BUFFER = 64;
const STREAM_BYTES = 1 << 20; // more than AMP_STREAM_BYTES of amp.h

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]));
const { memory, amp_reset, amp_process, __heap_base } = instance.exports;
const stream = Math.ceil(__heap_base.value / 64) * 64;
const x = stream + STREAM_BYTES, y = x + 4 * BUFFER;
memory.grow(Math.ceil((y + 4 * BUFFER) / 65536)); // in pages of 64 KB
amp_reset(stream);

let rest = Buffer.alloc(0), nBuffers = 0, total = 0, worst = 0;
function amplify(samples) {
  new Float32Array(memory.buffer, x, samples.length).set(samples);
  const begin = performance.now();
  const status = amp_process(stream, x, y, samples.length);
  const took = 1000 * (performance.now() - begin);
  nBuffers++, (total += took), (worst = Math.max(worst, took));
  return status === 0 ? new Float32Array(memory.buffer, y, samples.length).slice() : new Float32Array(samples.length);
}
for await (const chunk of process.stdin) {
  rest = Buffer.concat([rest, chunk]);
  const n = Math.floor(rest.length / 4 / BUFFER) * BUFFER;
  const samples = new Float32Array(new Uint8Array(rest.subarray(0, 4 * n)).buffer);
  for (let at = 0; at < n; at += BUFFER) process.stdout.write(Buffer.from(amplify(samples.subarray(at, at + BUFFER)).buffer));
  rest = rest.subarray(4 * n);
}
const last = new Float32Array(new Uint8Array(rest.subarray(0, rest.length - (rest.length % 4))).buffer);
if (last.length) process.stdout.write(Buffer.from(amplify(last).buffer));
if (nBuffers)
  console.error(`${nBuffers} buffers of ${BUFFER} samples: mean ${(total / nBuffers).toFixed(1)} us, worst ${worst.toFixed(1)} us`);
