import { type NDArray, ndarray } from '../../graph/index.ts';
import { createRng } from '../../util/rng.ts';
import { digitImages } from './digits.ts';

/** A binary task with hidden groups: group g belongs to class g mod 2. */
export interface FewClassData {
  readonly name: string;
  readonly groups: number;
  readonly train: { readonly features: NDArray; readonly labels: NDArray };
  readonly test: { readonly features: NDArray; readonly labels: NDArray };
  /** Hidden group of each training row. */
  readonly group: readonly number[];
  /** So many of the training rows, from the first on, are what the student sees. */
  readonly transfer: number;
}

interface Row {
  features: number[];
  group: number;
}

function taskOf(name: string, groups: number, train: readonly Row[], test: readonly Row[], transfer: number) {
  return {
    name,
    groups,
    transfer,
    train: columns(train),
    test: columns(test),
    group: train.map((r) => r.group),
  };
}

const columns = (rows: readonly Row[]) => ({
  features: ndarray(Float32Array.from(rows.flatMap((r) => r.features)), [
    rows.length,
    rows[0].features.length,
  ]),
  labels: ndarray(
    Int32Array.from(rows, (r) => r.group % 2),
    [rows.length],
  ),
});

/** 8×8 digits, even or odd; the digits are the groups. Pixels in [0, 1]. */
export async function parityDigits(
  root: string | undefined,
  seed: number,
  sizes: { train: number; transfer: number },
): Promise<FewClassData> {
  const rows = (await digitImages(root)).map(({ features, label }) => ({ features, group: label }));
  const all = createRng(`${seed}/split`).shuffle(rows);
  return taskOf('digits', 10, all.slice(0, sizes.train), all.slice(sizes.train), sizes.transfer);
}

export interface MixtureSettings {
  groups: number;
  width: number;
  train: number;
  transfer: number;
  test: number;
  /** Standard deviations of the centres and around them. */
  centres: number;
  noise: number;
}

/** Gaussian clusters, classes by the parity of a cluster's number. */
export function clusters(seed: number, s: MixtureSettings): FewClassData {
  const rng = createRng(`${seed}/mixture`);
  const normals = (std: number): number[] => Array.from({ length: s.width }, () => std * rng.normal());
  const centres = Array.from({ length: s.groups }, () => normals(s.centres));
  const rows = Array.from({ length: s.train + s.test }, () => {
    const group = rng.int(s.groups);
    return { features: normals(s.noise).map((x, i) => x + centres[group][i]), group };
  });
  return taskOf('mixture', s.groups, rows.slice(0, s.train), rows.slice(s.train), s.transfer);
}
