// The bench cases in TensorFlow.js on its wasm backend. argv: case threads. Protocol: see ../harness/peer.ts.

import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

const [name] = process.argv.slice(2);
const fail = (error) => {
  console.log(JSON.stringify({ error }));
  process.exit(0);
};
setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')))}/`);
await tf.setBackend('wasm');
await tf.ready();

const variable = (shape, std = 0.02) => tf.variable(tf.randomNormal(shape, 0, std));
const dense = (i, o) => ({ w: variable([i, o]), b: tf.variable(tf.zeros([o])) });
const norm = (n) => ({ s: tf.variable(tf.ones([n])), b: tf.variable(tf.zeros([n])) });
const linear = (x, { w, b }) => {
  const k = x.shape[x.shape.length - 1];
  const y = tf.add(tf.matMul(tf.reshape(x, [-1, k]), w), b);
  return tf.reshape(y, [...x.shape.slice(0, -1), w.shape[1]]);
};
const layerNorm = (x, { s, b }) => {
  const mean = tf.mean(x, -1, true);
  const d = tf.sub(x, mean);
  const inv = tf.rsqrt(tf.add(tf.mean(tf.square(d), -1, true), 1e-5));
  return tf.add(tf.mul(tf.mul(d, inv), s), b);
};
const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
const block = (width) => ({
  ln1: norm(width),
  qkv: dense(width, 3 * width),
  proj: dense(width, width),
  ln2: norm(width),
  up: dense(width, 4 * width),
  down: dense(4 * width, width),
});
const attend = (x, p, heads, mask) => {
  const [b, t, c] = x.shape;
  const part = (y) => tf.transpose(tf.reshape(y, [b, t, heads, c / heads]), [0, 2, 1, 3]);
  const [q, k, v] = tf.split(linear(x, p.qkv), 3, 2).map(part);
  let s = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(c / heads));
  if (mask) s = tf.add(s, mask);
  const y = tf.matMul(tf.softmax(s), v);
  return linear(tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [b, t, c]), p.proj);
};
// softmax cross-entropy with integer labels, as tfjs-layers writes it
const crossEntropy = (logits, oneHot) => tf.neg(tf.mean(tf.sum(tf.mul(oneHot, tf.logSoftmax(logits)), -1)));
const labels = (n, classes) => tf.oneHot(tf.cast(tf.randomUniform([n], 0, classes), 'int32'), classes);

const cases = {
  gpt() {
    const [v, d, t] = [512, 256, 128];
    const p = {
      wte: variable([v, d]),
      wpe: variable([t, d]),
      h: [0, 1, 2, 3].map(() => block(d)),
      lnf: norm(d),
      head: variable([d, v]),
    };
    const mask = tf.sub(1, tf.linalg.bandPart(tf.ones([t, t]), -1, 0)).mul(-1e9);
    // the gradient of gather is missing in the wasm backend: rows are picked by a one-hot product
    const tokens = labels(8 * t, v);
    const targets = labels(8 * t, v);
    return [
      tf.train.adam(1e-3),
      () => {
        let x = tf.add(tf.reshape(tf.matMul(tokens, p.wte), [8, t, d]), p.wpe);
        for (const b of p.h) {
          x = tf.add(x, attend(layerNorm(x, b.ln1), b, 4, mask));
          x = tf.add(x, linear(gelu(linear(layerNorm(x, b.ln2), b.up)), b.down));
        }
        return crossEntropy(tf.matMul(tf.reshape(layerNorm(x, p.lnf), [8 * t, d]), p.head), targets);
      },
    ];
  },
  mlp() {
    const layers = [dense(784, 1024), dense(1024, 1024), dense(1024, 10)];
    const x = tf.randomNormal([128, 784]);
    const y = labels(128, 10);
    return [
      tf.train.sgd(0.01),
      () => crossEntropy(linear(tf.relu(linear(tf.relu(linear(x, layers[0])), layers[1])), layers[2]), y),
    ];
  },
  encoder() {
    const h = Array.from({ length: 6 }, () => block(384));
    const x0 = tf.randomNormal([8, 128, 384]);
    return [
      undefined,
      () => {
        let x = x0;
        for (const b of h) {
          x = layerNorm(tf.add(x, attend(x, b, 12)), b.ln1);
          x = layerNorm(tf.add(x, linear(gelu(linear(x, b.up)), b.down)), b.ln2);
        }
        return tf.slice(x, [0, 0, 0], [1, 1, 1]);
      },
    ];
  },
};
if (!cases[name])
  fail('the wasm backend of TensorFlow.js has no kernel for the weight gradient of a convolution');
let step;
try {
  const [optimizer, loss] = cases[name]();
  step = () => {
    const out = optimizer ? optimizer.minimize(() => tf.reshape(loss(), []), true) : tf.tidy(loss);
    const value = out.dataSync()[0];
    out.dispose();
    return value;
  };
  step();
} catch (e) {
  fail(`TensorFlow.js: ${e.message}`);
}
console.log(
  JSON.stringify({
    ready: true,
    name: `tfjs-wasm ${tf.version_core ?? tf.version?.['tfjs-core'] ?? ''}`.trim(),
  }),
);
for await (const line of createInterface({ input: process.stdin })) {
  const times = [];
  const cpu = process.cpuUsage();
  let value = 0;
  for (let i = 0; i < Number(line); i++) {
    const t0 = performance.now();
    value = step();
    times.push(performance.now() - t0);
  }
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    JSON.stringify({
      times,
      value,
      cpuMs: (user + system) / 1000,
      peakMb: process.resourceUsage().maxRSS / 1024,
    }),
  );
}
