// The bench cases in jax-js on its wasm device. argv: case threads. Protocol: see ../harness/peer.ts.
import { createInterface } from 'node:readline';

// jax-js reads navigator when it is imported; Node 20 has none
globalThis.navigator ??= { userAgent: 'node', hardwareConcurrency: Number(process.argv[3]) };
const { defaultDevice, init, jit, lax, nn, numpy: np, tree, valueAndGrad } = await import('@jax-js/jax');

const [name] = process.argv.slice(2);
await init('wasm');
defaultDevice('wasm');

// Ownership: an array that is used again is passed as x.ref.
const random = (shape, std) => {
  const n = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from(
    { length: n },
    () => std * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(6.2831853 * Math.random()),
  );
  return np.array(data).reshape(shape);
};
const ints = (shape, below) =>
  np
    .array(
      Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.floor(below * Math.random())),
    )
    .reshape(shape);
const dense = (i, o) => ({ w: random([i, o], 0.02), b: np.zeros([o]) });
const norm = (n) => ({ s: np.ones([n]), b: np.zeros([n]) });
const linear = (x, p) => {
  const lead = x.shape.slice(0, -1);
  const rows = x.reshape([-1, x.shape[x.shape.length - 1]]);
  return np
    .matmul(rows, p.w.ref)
    .add(p.b.ref)
    .reshape([...lead, p.w.shape[1]]);
};
const layerNorm = (x, p) => {
  const mean = x.ref.mean(-1, { keepdims: true });
  const d = x.sub(mean);
  const variance = np.square(d.ref).mean(-1, { keepdims: true });
  return d
    .div(np.sqrt(variance.add(1e-5)))
    .mul(p.s.ref)
    .add(p.b.ref);
};
const gelu = (x) => nn.gelu(x, { approximate: false });
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
  const part = (y) => y.reshape([b, t, heads, c / heads]).transpose([0, 2, 1, 3]);
  const [q, k, v] = np.split(linear(x, p.qkv), 3, 2).map(part);
  let s = np.matmul(q, k.transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(c / heads));
  if (mask) s = s.add(mask.ref);
  const y = np.matmul(nn.softmax(s, -1), v);
  return linear(y.transpose([0, 2, 1, 3]).reshape([b, t, c]), p.proj);
};
const crossEntropy = (logits, labels, classes) => {
  const onehot = nn.oneHot(labels, classes);
  return np.sum(nn.logSoftmax(logits, -1).mul(onehot), -1).mean().neg();
};

const sgd =
  (loss, lr) =>
  (p, ...batch) => {
    const [value, g] = valueAndGrad(loss)(p, ...batch);
    return [value, tree.map((x, d) => x.sub(d.mul(lr)), p, g)];
  };

const cases = {
  gpt() {
    const [v, d, t] = [512, 256, 128];
    const p = {
      wte: random([v, d], 0.02),
      wpe: random([t, d], 0.02),
      h: [0, 1, 2, 3].map(() => block(d)),
      lnf: norm(d),
      head: random([d, v], 0.02),
    };
    const loss = (p, tokens, targets) => {
      const mask = np.triu(np.full([t, t], -1e9), 1);
      let x = np.matmul(nn.oneHot(tokens, v), p.wte).reshape([8, t, d]).add(p.wpe);
      for (const b of p.h) {
        x = x.ref.add(attend(layerNorm(x, b.ln1), b, 4, mask));
        x = x.ref.add(linear(gelu(linear(layerNorm(x, b.ln2), b.up)), b.down));
      }
      return crossEntropy(np.matmul(layerNorm(x, p.lnf).reshape([8 * t, d]), p.head), targets, v);
    };
    const step = jit((p, m, s, c1, c2, tokens, targets) => {
      const [value, g] = valueAndGrad(loss)(tree.ref(p), tokens, targets);
      const m2 = tree.map((a, b) => a.mul(0.9).add(b.mul(0.1)), m, tree.ref(g));
      const s2 = tree.map((a, b) => a.mul(0.999).add(np.square(b).mul(0.001)), s, g);
      const next = tree.map(
        (x, a, b) =>
          x.sub(
            a
              .div(c1.ref)
              .mul(1e-3)
              .div(np.sqrt(b.div(c2.ref)).add(1e-8)),
          ),
        p,
        tree.ref(m2),
        tree.ref(s2),
      );
      return [value, next, m2, s2];
    });
    let state = [
      p,
      tree.map((x) => np.zeros(x.shape), tree.ref(p)),
      tree.map((x) => np.zeros(x.shape), tree.ref(p)),
    ];
    const tokens = ints([8 * t], v);
    const targets = ints([8 * t], v);
    let n = 0;
    return async () => {
      n++;
      const scalars = [1 - 0.9 ** n, 1 - 0.999 ** n].map((x) => np.array(x));
      const [value, ...next] = step(...state, ...scalars, tokens.ref, targets.ref);
      state = next;
      return read(value, state);
    };
  },
  mlp() {
    let p = [dense(784, 1024), dense(1024, 1024), dense(1024, 10)];
    const x = random([128, 784], 1);
    const y = ints([128], 10);
    const step = jit(
      sgd(
        (p, x, y) => crossEntropy(linear(nn.relu(linear(nn.relu(linear(x, p[0])), p[1])), p[2]), y, 10),
        0.01,
      ),
    );
    return train(
      step,
      (next) => (p = next),
      () => p,
      x,
      y,
    );
  },
  cnn() {
    const conv = (i, o, k) => ({
      w: random([o, i, k, k], Math.sqrt(2 / (o * k * k))),
      s: np.ones([1, o, 1, 1]),
      b: np.zeros([1, o, 1, 1]),
    });
    const plan = [16, 32, 64].flatMap((o, stage) =>
      [0, 1, 2].map((n) => (stage && n === 0 ? [o / 2, o, 2] : [o, o, 1])),
    );
    let p = {
      stem: conv(3, 16, 3),
      blocks: plan.map(([i, o, s]) => ({
        a: conv(i, o, 3),
        b: conv(o, o, 3),
        ...(s > 1 ? { short: conv(i, o, 1) } : {}),
      })),
      fc: dense(64, 10),
    };
    const layer = (x, q, stride, pad) => {
      const y = lax.convGeneralDilated(
        x,
        q.w.ref,
        [stride, stride],
        [
          [pad, pad],
          [pad, pad],
        ],
      );
      const d = y.ref.sub(y.mean([0, 2, 3], { keepdims: true }));
      const inv = np.sqrt(np.square(d.ref).mean([0, 2, 3], { keepdims: true }).add(1e-5));
      return d.div(inv).mul(q.s.ref).add(q.b.ref);
    };
    const loss = (p, x, y) => {
      let h = nn.relu(layer(x, p.stem, 1, 1));
      p.blocks.forEach((b, n) => {
        const stride = plan[n][2];
        const short = stride > 1 ? layer(h.ref, b.short, stride, 0) : h.ref;
        h = nn.relu(layer(nn.relu(layer(h, b.a, stride, 1)), b.b, 1, 1).add(short));
      });
      return crossEntropy(linear(h.mean([2, 3]), p.fc), y, 10);
    };
    const x = random([64, 3, 32, 32], 1);
    const y = ints([64], 10);
    return train(
      jit(sgd(loss, 0.01)),
      (next) => (p = next),
      () => p,
      x,
      y,
    );
  },
  encoder() {
    const h = Array.from({ length: 6 }, () => block(384));
    const x0 = random([8, 128, 384], 1);
    const run = jit((h, x) => {
      for (const b of h) {
        x = layerNorm(x.ref.add(attend(x, b, 12)), b.ln1);
        x = layerNorm(x.ref.add(linear(gelu(linear(x.ref, b.up)), b.down)), b.ln2);
      }
      return x;
    });
    return async () => (await run(tree.ref(h), x0.ref).data())[0];
  },
};

/** The value of the loss, once the whole step is done. */
async function read(value, state) {
  const [out] = await value.data();
  for (const leaf of tree.leaves(state)) if (leaf.blockUntilReady) await leaf.blockUntilReady();
  return out;
}
function train(step, put, get, x, y) {
  return async () => {
    const [value, next] = step(get(), x.ref, y.ref);
    put(next);
    return read(value, next);
  };
}

let step;
try {
  step = cases[name]();
  await step();
} catch (e) {
  console.log(JSON.stringify({ error: `jax-js: ${e.message}` }));
  process.exit(0);
}
console.log(JSON.stringify({ ready: true, name: 'jax-js wasm' }));
for await (const line of createInterface({ input: process.stdin })) {
  const times = [];
  const cpu = process.cpuUsage();
  let value = 0;
  for (let i = 0; i < Number(line); i++) {
    const t0 = performance.now();
    value = await step();
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
process.exit(0); // its worker threads would keep the process alive
