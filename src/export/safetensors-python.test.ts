import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { toNested } from '../graph/ndarray.ts';
import { openFile } from '../util/node/disk-folder.ts';
import { buildSafetensors, openSafetensors, parseSafetensors } from './safetensors.ts';

const PATH = fileURLToPath(new URL('fixtures/python.safetensors', import.meta.url));

describe("a file written by Python's safetensors", () => {
  it('reads to the same values', async () => {
    const { tensors, metadata } = await parseSafetensors(await readFile(PATH));
    expect(metadata).toEqual({ format: 'pt' });
    expect(Object.fromEntries([...tensors].map(([n, a]) => [n, toNested(a)]))).toEqual({
      'layer.weight': [
        [-0.5, -0.25, 0],
        [0.25, 0.5, 0.75],
      ],
      'layer.bias': [-0.5, -0.25, 0],
      half: [1, -2.5, 65504, Number.POSITIVE_INFINITY],
      double: [0.1],
      ids: [-5, 2 ** 60],
      small: [-1, 7],
      short: [-300],
      byte: [255, 0, 1],
      signed: [-128],
      flag: [1, 0, 1],
      scalar: 3,
      empty: [],
      'odd name "é"': [9],
    });
  });

  it('is written again to the byte, from its values alone', async () => {
    const bytes = new Uint8Array(await readFile(PATH));
    const { tensors, storage } = await parseSafetensors(bytes);
    const shuffled = new Map([...tensors].reverse());
    expect(await buildSafetensors(shuffled, { storage })).toEqual(bytes);
  });

  it('opens from disk by byte range', async () => {
    const file = await openSafetensors((await openFile(PATH))!);
    expect(toNested(await file.readRows('layer.weight', 1, 2))).toEqual([[0.25, 0.5, 0.75]]);
    await expect(file.read('half', { finite: true })).rejects.toThrow(
      /python\.safetensors: tensor "half".*1 of 4/,
    );
  });
});
