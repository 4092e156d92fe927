import { DecantError } from '../util/errors.ts';
import {
  argmaxRows,
  asMatrix,
  logSoftmaxRows,
  type Matrix,
  type MatrixLike,
  mean,
  sameLength,
  topColumns,
} from './matrix.ts';

/** 1 where student and teacher choose the same class, `[n]`. */
export function agreements(studentLogits: MatrixLike, teacherLogits: MatrixLike): Uint8Array {
  const [s, t] = pair(studentLogits, teacherLogits);
  const a = argmaxOf(s);
  const b = argmaxOf(t);
  return Uint8Array.from(a, (x, i) => (x === b[i] ? 1 : 0));
}

/** Teacher agreement: share of inputs on which the two most likely classes are equal. */
export const teacherAgreement = (studentLogits: MatrixLike, teacherLogits: MatrixLike): number =>
  mean(agreements(studentLogits, teacherLogits));

/** Mean overlap |top-k(student) ∩ top-k(teacher)| / k per input, `[n]`. */
export function topKOverlap(studentLogits: MatrixLike, teacherLogits: MatrixLike, k: number): Float64Array {
  const [s, t] = pair(studentLogits, teacherLogits);
  const size = Math.min(k, s.cols);
  return Float64Array.from({ length: s.rows }, (_, i) => {
    const wanted = new Set(topColumns(t, i, size));
    return topColumns(s, i, size).filter((c) => wanted.has(c)).length / size;
  });
}

/** 1 where the teacher's first class is among the student's k most likely ones, `[n]`. */
export function topKAgreement(studentLogits: MatrixLike, teacherLogits: MatrixLike, k: number): Uint8Array {
  const [s, t] = pair(studentLogits, teacherLogits);
  const first = argmaxOf(t);
  return Uint8Array.from(first, (c, i) => (topColumns(s, i, Math.min(k, s.cols)).includes(c) ? 1 : 0));
}

/**
 * KL(p‖q) = Σ p (log p - log q) per input in nats, p = softmax(teacher / T), q = softmax(student / T), `[n]`.
 * Classes with p = 0 add nothing; q = 0 < p gives Infinity.
 */
export function klToTeacher(
  studentLogits: MatrixLike,
  teacherLogits: MatrixLike,
  temperature = 1,
): Float64Array {
  pair(studentLogits, teacherLogits);
  const q = logSoftmaxRows(studentLogits, temperature);
  const p = logSoftmaxRows(teacherLogits, temperature);
  const out = new Float64Array(p.rows);
  for (let i = 0; i < p.rows; i++) {
    let sum = 0;
    for (let j = i * p.cols; j < (i + 1) * p.cols; j++) {
      const mass = Math.exp(p.data[j]);
      if (mass > 0) sum += mass * (p.data[j] - q.data[j]);
    }
    out[i] = Math.max(0, sum); // rounding may leave -1e-17
  }
  return out;
}

/**
 * KL over the K+1 distribution of a teacher's top-k and its tail bucket: Σ_k p(log p - log q) + p_r log(p_r / q_r),
 * q_r = 1 - Σ_{i in ids} q_i. `ids` and `logp` are `[n, k]` (id below 0: padding), `logTail` is `[n]`. A lower bound
 * of the dense KL (data-processing inequality).
 */
export function klToTopK(
  studentLogits: MatrixLike,
  teacher: { ids: ArrayLike<number>; logp: ArrayLike<number>; logTail: ArrayLike<number>; k: number },
): Float64Array {
  const q = logSoftmaxRows(studentLogits);
  const out = new Float64Array(q.rows);
  for (let i = 0; i < q.rows; i++) {
    let sum = 0;
    const listed = new Set<number>();
    for (let j = i * teacher.k; j < (i + 1) * teacher.k; j++) {
      const id = teacher.ids[j];
      if (id < 0) continue;
      if (id >= q.cols)
        throw new DecantError('pairing', `a stored teacher id lies outside the student's classes`, {
          seen: id,
          allowed: `0 to ${q.cols - 1}`,
        });
      listed.add(id);
      const mass = Math.exp(teacher.logp[j]);
      if (mass > 0) sum += mass * (teacher.logp[j] - q.data[i * q.cols + id]);
    }
    const tail = Math.exp(teacher.logTail[i]);
    if (tail > 0) {
      let rest = 0; // summed over the unlisted classes: 1 - Σ would lose a small tail
      for (let j = 0; j < q.cols; j++) if (!listed.has(j)) rest += Math.exp(q.data[i * q.cols + j]);
      sum += tail * (teacher.logTail[i] - Math.log(rest));
    }
    out[i] = sum;
  }
  return out;
}

function pair(a: MatrixLike, b: MatrixLike): [Matrix, Matrix] {
  const s = asMatrix(a, 'student logits');
  const t = asMatrix(b, 'teacher logits');
  sameLength({ length: s.rows }, { length: t.rows }, 'student and teacher rows');
  sameLength({ length: s.cols }, { length: t.cols }, 'student and teacher classes');
  return [s, t];
}

const argmaxOf = (m: Matrix): Int32Array =>
  argmaxRows({ dtype: 'float64', shape: [m.rows, m.cols], data: m.data });
