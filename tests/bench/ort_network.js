// Median milliseconds of one run of an ONNX model in ONNX Runtime, one thread, as its own profiler sees all operators
// and as JavaScript sees the call; and the operators that ran.   node ort_network.js MODEL.onnx [RUNS]
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const ort = require('onnxruntime-node');

const median = (values) => values.slice().sort((a, b) => a - b)[values.length >> 1];

async function main(model, runs) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ort-network-'));
  try {
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all',
      logSeverityLevel: 3, enableProfiling: true, profileFilePrefix: path.join(folder, 'p'),
    });
    const shape = JSON.parse(process.env.SHAPE);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 64) / 32 - 1);
    const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', data, shape) };
    const calls = [];
    for (let i = 0; i < runs + 5; ++i) {
      const start = process.hrtime.bigint();
      await session.run(feeds);
      if (i >= 5) calls.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
    session.endProfiling();
    const events = JSON.parse(fs.readFileSync(path.join(folder, fs.readdirSync(folder)[0])));
    const kernels = events.filter((e) => e.cat === 'Node' && e.name.endsWith('_kernel_time'));
    const perRun = kernels.length / (runs + 5);
    const totals = [];
    for (let run = 5; run < runs + 5; ++run)
      totals.push(kernels.slice(run * perRun, (run + 1) * perRun).reduce((sum, e) => sum + e.dur, 0) / 1e3);
    const operators = {};
    for (const e of kernels.slice(0, perRun)) operators[e.args.op_name] = (operators[e.args.op_name] || 0) + 1;
    console.log(JSON.stringify({ operators_ms: median(totals), call_ms: median(calls), operators }));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main(process.argv[2], Number(process.argv[3] || 200)).catch((error) => {
  console.error(String(error));
  process.exit(2);
});
