import { createRng } from '../../../util/rng.ts';
import type { ReportArm, ReportCurve, ReportData } from '../data.ts';

/** A made-up but plausible report with every part filled, for tests and for looking at the design. */
export function sampleReport(): ReportData {
  const rng = createRng('sample report');
  const spread = (mean: number, sd: number, half: number) => {
    const perSeed = [mean - sd, mean + 0.2 * sd, mean + 0.8 * sd];
    return { mean, sd, low: mean - half, high: mean + half, perSeed };
  };
  const arm = (a: Partial<ReportArm> & Pick<ReportArm, 'id' | 'role' | 'name'>): ReportArm => ({
    seeds: [1, 2, 3],
    values: {},
    ...a,
  });
  const arms: ReportArm[] = [
    arm({
      id: 'teacher',
      role: 'teacher',
      name: 'Teacher',
      about: 'transformer, 4 layers, 256 wide',
      values: {
        accuracy: spread(0.924, 0.003, 0.009),
        macroF1: spread(0.919, 0.003, 0.01),
        ece: spread(0.031, 0.004, 0.006),
        nll: spread(0.301, 0.01, 0.03),
      },
      parameters: 4_812_365,
      bytes: 19_301_000,
      trainSeconds: 412,
      latency: [
        { batch: 1, p50: 6.2, p95: 8.9, throughput: 161 },
        { batch: 32, p50: 71, p95: 83, throughput: 450 },
      ],
    }),
    arm({
      id: 'distilled',
      role: 'distilled',
      name: 'Student, distilled',
      about: 'bag of words, 64 wide',
      values: {
        accuracy: spread(0.902, 0.002, 0.01),
        macroF1: spread(0.897, 0.002, 0.011),
        ece: spread(0.024, 0.003, 0.005),
        nll: spread(0.352, 0.008, 0.03),
        agreement: spread(0.931, 0.003, 0.008),
        kl: spread(0.112, 0.006, 0.01),
      },
      parameters: 391_245,
      bytes: 1_570_000,
      int8Bytes: 402_000,
      trainSeconds: 38.4,
      latency: [
        { batch: 1, p50: 0.41, p95: 0.66, throughput: 2439 },
        { batch: 32, p50: 2.9, p95: 3.8, throughput: 11_034 },
        { variant: 'int8', batch: 1, p50: 0.31, p95: 0.52, throughput: 3225 },
      ],
    }),
    arm({
      id: 'alone',
      role: 'alone',
      name: 'Student, no teacher',
      about: 'the same student on the labels alone',
      values: {
        accuracy: spread(0.861, 0.006, 0.012),
        macroF1: spread(0.853, 0.006, 0.013),
        ece: spread(0.072, 0.005, 0.007),
        nll: spread(0.561, 0.02, 0.05),
        agreement: spread(0.874, 0.005, 0.01),
        kl: spread(0.398, 0.02, 0.02),
      },
      parameters: 391_245,
      bytes: 1_570_000,
      trainSeconds: 31.2,
    }),
    arm({
      id: 'linear',
      role: 'linear',
      name: 'Linear baseline',
      about: 'TF-IDF, logistic regression',
      seeds: [],
      values: {
        accuracy: { mean: 0.847, low: 0.834, high: 0.859 },
        macroF1: { mean: 0.841, low: 0.828, high: 0.854 },
        ece: { mean: 0.118 },
        nll: { mean: 0.703 },
        agreement: { mean: 0.861 },
      },
      parameters: 776_853,
    }),
  ];
  const curves: ReportCurve[] = [];
  const curve = (
    id: string,
    split: string,
    term: string,
    from: number,
    to: number,
    noise: number,
    n = 120,
  ): void => {
    for (const seed of [1, 2, 3]) {
      const steps = Array.from({ length: n }, (_, i) => Math.round((1200 * (i + 1)) / n));
      const values = steps.map(
        (s) => to + (from - to) * Math.exp(-s / 220) + noise * rng.normal() * (0.4 + Math.exp(-s / 400)),
      );
      curves.push({ arm: id, seed, split, term, steps, values });
    }
  };
  curve('distilled', 'train', 'kd', 3.4, 0.11, 0.04);
  curve('distilled', 'train', 'ce', 4.2, 0.36, 0.05);
  curve('alone', 'train', 'ce', 4.2, 0.09, 0.04);
  curve('distilled', 'validation', 'accuracy', 0.1, 0.9, 0.006, 12);
  curve('alone', 'validation', 'accuracy', 0.1, 0.86, 0.007, 12);
  curve('teacher', 'train', 'ce', 4.3, 0.02, 0.01);
  const bins = (skew: number) =>
    Array.from({ length: 10 }, (_, i) => {
      const confidence = (i + 0.5) / 10;
      return {
        confidence,
        accuracy: Math.min(
          1,
          Math.max(0, confidence - skew * confidence * (1.15 - confidence) * 4 + 0.012 * rng.normal()),
        ),
        count: Math.round(20 + 900 * (i / 9) ** 4),
      };
    });
  const pairs: [string, string, number, number][] = [
    ['card_arrival', 'card_delivery_estimate', 9, 6],
    ['pending_transfer', 'transfer_not_received_by_recipient', 8, 7],
    ['top_up_failed', 'top_up_reverted', 7, 2],
    ['why_verify_identity', 'verify_my_identity', 6, 4],
    ['card_payment_fee_charged', 'extra_charge_on_statement', 5, 5],
    ['exchange_rate', 'card_payment_wrong_exchange_rate', 4, 1],
  ];
  return {
    version: 1,
    title: 'Support requests, 77 intents',
    task: 'classify',
    method: 'kd',
    created: '2026-05-04T09:30:00Z',
    metric: 'accuracy',
    metrics: [
      {
        key: 'accuracy',
        label: 'Accuracy',
        format: 'percent',
        better: 'higher',
        about: 'share of test examples whose most likely class is the label',
      },
      {
        key: 'macroF1',
        label: 'Macro-F1',
        format: 'percent',
        better: 'higher',
        about: 'mean over classes of the harmonic mean of precision and recall',
      },
      {
        key: 'agreement',
        label: 'Agreement',
        format: 'percent',
        better: 'higher',
        about: 'share of test examples on which student and teacher choose the same class',
      },
      {
        key: 'kl',
        label: 'KL to teacher',
        format: 'number',
        better: 'lower',
        about: 'mean KL divergence from the teacher’s distribution, nats',
      },
      {
        key: 'ece',
        label: 'ECE',
        format: 'number',
        better: 'lower',
        about: 'expected calibration error, 15 bins of equal width',
      },
      {
        key: 'nll',
        label: 'NLL',
        format: 'number',
        better: 'lower',
        about: 'mean negative log-likelihood of the label, nats',
      },
    ],
    gold: { kind: 'all' },
    headline: {
      kept: { estimate: 0.902 / 0.924, low: 0.968, high: 0.984, level: 0.95 },
      gapClosed: { estimate: 0.65, low: 0.52, high: 0.77 },
      sentence:
        'The student keeps 97.6 % of the teacher’s accuracy with a twelfth of its parameters, and beats the same student trained without a teacher by 4.1 points; it stays 2.2 points below the teacher.',
    },
    arms,
    comparisons: [
      {
        name: 'Distilled minus no teacher',
        metric: 'accuracy',
        difference: 0.041,
        low: 0.031,
        high: 0.051,
        p: 0.0005,
        test: 'paired bootstrap, 2,000 resamples',
      },
      {
        name: 'Distilled minus linear baseline',
        metric: 'accuracy',
        difference: 0.055,
        low: 0.043,
        high: 0.066,
        p: 0.0005,
        test: 'paired bootstrap, 2,000 resamples',
      },
      {
        name: 'Distilled minus teacher',
        metric: 'accuracy',
        difference: -0.022,
        low: -0.03,
        high: -0.015,
        p: 0.0005,
        test: 'paired bootstrap, 2,000 resamples',
      },
    ],
    curves,
    reliability: [
      { arm: 'teacher', ece: 0.031, bins: bins(0.06) },
      { arm: 'distilled', ece: 0.024, bins: bins(0.04) },
      { arm: 'alone', ece: 0.072, bins: bins(0.22) },
    ],
    confusion: {
      arm: 'distilled',
      examples: 3080,
      pairs: pairs.map(([label, predicted, count, teacherCount]) => ({
        label,
        predicted,
        count,
        share: count / 40,
        teacherCount,
      })),
    },
    slices: {
      metric: 'accuracy',
      rows: [
        {
          slice: 'words 24–79',
          count: 702,
          values: {
            teacher: spread(0.889, 0.004, 0.02),
            distilled: spread(0.853, 0.004, 0.025),
            alone: spread(0.79, 0.008, 0.03),
          },
        },
        {
          slice: 'words 1–7',
          count: 755,
          values: {
            teacher: spread(0.921, 0.004, 0.02),
            distilled: spread(0.902, 0.003, 0.02),
            alone: spread(0.87, 0.008, 0.024),
          },
        },
        {
          slice: 'source: phone',
          count: 18,
          small: true,
          values: { teacher: spread(0.944, 0.03, 0.08), distilled: spread(0.889, 0.03, 0.12) },
        },
      ],
    },
    examples: [
      {
        input: 'I still have not received my new card, I ordered over a week ago.',
        gold: 'card_arrival',
        teacher: { text: 'card_arrival', confidence: 0.97, correct: true },
        student: { text: 'card_delivery_estimate', confidence: 0.71, correct: false },
      },
      {
        input: 'why was i charged <b>twice</b> for the same thing?',
        gold: 'transaction_charged_twice',
        teacher: { text: 'extra_charge_on_statement', confidence: 0.58, correct: false },
        student: { text: 'transaction_charged_twice', confidence: 0.83, correct: true },
      },
      {
        input: 'It says pending, what does that even mean',
        gold: 'pending_card_payment',
        teacher: { text: 'pending_top_up', confidence: 0.41, correct: false },
        student: { text: 'pending_transfer', confidence: 0.44, correct: false },
      },
    ],
    data: {
      splits: [
        { name: 'train', rows: 10_003, labelled: 10_003 },
        {
          name: 'validation',
          rows: 1000,
          labelled: 1000,
          about: 'held out of train, same share of every class',
        },
        { name: 'test', rows: 3080, labelled: 3080 },
      ],
      duplicates: [
        { kind: 'exact duplicates within train', count: 12, action: 'removed' },
        { kind: 'near duplicates of test rows in train', count: 29, action: 'removed from train' },
      ],
      problems: [
        {
          kind: 'same text, different label',
          count: 4,
          action: 'put aside',
          examples: [{ where: 'train.jsonl:4417', text: 'How do I top up?' }],
        },
        {
          kind: 'empty text',
          count: 1,
          action: 'put aside',
          examples: [{ where: 'train.jsonl:9002', text: '""' }],
        },
      ],
      classes: Array.from({ length: 77 }, (_, i) => ({
        name: `intent_${String(i + 1).padStart(2, '0')}`,
        count: Math.round(187 - 1.95 * i),
      })),
      lengths: {
        unit: 'words',
        bins: Array.from({ length: 20 }, (_, i) => ({
          from: 3 * i + 1,
          to: 3 * i + 3,
          count: Math.round(2200 * Math.exp(-((i - 3.4) ** 2) / 8) + 40 * Math.exp(-i / 6)),
        })),
      },
    },
    environment: [
      { name: 'decant', value: '0.1.0' },
      { name: 'node', value: 'v20.20.2, linux x64' },
      { name: 'onnxruntime', value: '1.30.0, CPU, 2 threads' },
      { name: 'recipe hash', value: '9f2c64d1a0b7' },
    ],
    cost: {
      rows: [
        { item: 'Teacher signals', amount: '0 calls', note: '13,083 taken from the store' },
        { item: 'Wall time', amount: '8 m 41 s' },
      ],
      total: '0.00 USD',
    },
    warnings: [
      '29 test texts also stand in the training part of the source; they were removed from training.',
    ],
    recipe: 'version: 1\ntask: classify\nmethod:\n  name: kd\n  temperature: 4\n  alpha: 0.1\n',
  };
}
