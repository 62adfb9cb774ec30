// Runs an ONNX model in ONNX Runtime on the images of a .npy file (float32, N first) and writes what its one output is,
// as .npy again.   node run.js MODEL.onnx IN.npy OUT.npy [BATCH [OPTIMIZATION]]
// OPTIMIZATION: disabled, basic, extended or all (the default of ONNX Runtime). NODE_PATH names onnxruntime-node's folder.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');

function readNpy(file) {
  const bytes = fs.readFileSync(file);
  if (bytes.toString('latin1', 0, 6) !== '\x93NUMPY') throw new Error(`${file}: no .npy file`);
  const long = bytes[6] > 1;
  const length = long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const begin = (long ? 12 : 10) + length;
  const header = bytes.toString('latin1', long ? 12 : 10, begin);
  if (!/'descr': *'<f4'/.test(header) || !/'fortran_order': *False/.test(header))
    throw new Error(`${file}: not float32 in C order: ${header}`);
  const shape = /'shape': *\(([^)]*)\)/.exec(header)[1].split(',').map((s) => s.trim()).filter((s) => s).map(Number);
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + bytes.length));
  return { shape, data };
}

function writeNpy(file, shape, data) {
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims}), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const start = Buffer.alloc(10);
  start.write('\x93NUMPY\x01\x00', 'latin1');
  start.writeUInt16LE(header.length, 8);
  fs.writeFileSync(file, Buffer.concat([start, Buffer.from(header, 'latin1'), Buffer.from(data.buffer)]));
}

async function main(model, input, output, batch, optimization) {
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: optimization, logSeverityLevel: 3, intraOpNumThreads: 1, interOpNumThreads: 1,
  });
  const { shape, data } = readNpy(input);
  const each = data.length / shape[0];
  const results = [];
  let outShape;
  for (let first = 0; first < shape[0]; first += batch) {
    const count = Math.min(batch, shape[0] - first);
    const images = new ort.Tensor('float32', data.slice(first * each, (first + count) * each), [count, ...shape.slice(1)]);
    const result = (await session.run({ [session.inputNames[0]]: images }))[session.outputNames[0]];
    outShape = result.dims.slice(1);
    results.push(result.data);
  }
  const all = new Float32Array(results.reduce((sum, r) => sum + r.length, 0));
  let at = 0;
  for (const r of results) { all.set(r, at); at += r.length; }
  writeNpy(output, [shape[0], ...outShape], all);
}

const [model, input, output, batch, optimization] = process.argv.slice(2);
main(model, input, output, Number(batch || 100), optimization || 'all').catch((error) => {
  console.error(String(error));
  process.exit(2);
});
