// Microseconds of operators in ONNX Runtime, one thread, by its own profiler: what quantizes a linear layer's input
// counts, what JavaScript adds does not.
//
//   node ort_layers.js
//
// For each line "MODEL.onnx TYPE SHAPE COPIES" on standard input (TYPE uint8 or float32, SHAPE as 1x3x224x224) prints
// the median over runs of all operators' time, divided by COPIES.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const readline = require('readline');
const ort = require('onnxruntime-node');

const WARM_MS = 30;
const TIMED_MS = 120;
const LEAST_RUNS = 10;
const MOST_RUNS = 4000;

const median = (values) => values.slice().sort((a, b) => a - b)[values.length >> 1];
const now = () => Number(process.hrtime.bigint()) / 1e6;

async function time(file, type, dims, copies) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ort-layers-'));
  try {
    const session = await ort.InferenceSession.create(file, {
      intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all',
      logSeverityLevel: 3, enableProfiling: true, profileFilePrefix: path.join(folder, 'p'),
    });
    const count = dims.reduce((a, b) => a * b, 1);
    const data = type === 'uint8' ? new Uint8Array(count) : new Float32Array(count);
    for (let i = 0; i < count; ++i) data[i] = type === 'uint8' ? (i * 37) % 64 : ((i * 37) % 64) / 32 - 1;
    const feeds = { x: new ort.Tensor(type, data, dims) };
    let runs = 0;
    let skipped = 0;
    const start = now();
    for (; runs < MOST_RUNS; ++runs) {
      const passed = now() - start;
      if (passed < WARM_MS) skipped = runs + 1;
      else if (passed > WARM_MS + TIMED_MS && runs - skipped >= LEAST_RUNS) break;
      await session.run(feeds);
    }
    session.endProfiling();
    await session.release();
    const events = JSON.parse(fs.readFileSync(path.join(folder, fs.readdirSync(folder)[0])));
    const kernels = events.filter((e) => e.cat === 'Node' && e.name.endsWith('_kernel_time')).sort((a, b) => a.ts - b.ts);
    const perRun = kernels.length / runs;
    const totals = [];
    for (let run = skipped; run < runs; ++run)
      totals.push(kernels.slice(run * perRun, (run + 1) * perRun).reduce((sum, e) => sum + e.dur, 0));
    // Single durations are whole microseconds: of short ones only the mean is finer than that.
    const middle = median(totals);
    const near = totals.filter((t) => t <= middle * 1.5 + 1);
    return (middle < 100 ? near.reduce((a, b) => a + b, 0) / near.length : middle) / copies;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [file, type, shape, copies] = line.trim().split(/\s+/);
    console.log((await time(file, type, shape.split('x').map(Number), Number(copies))).toFixed(3));
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(2);
});
