import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { array, type NDArray, ndarray, toNumbers } from '../graph/ndarray.ts';
import { concatChunks, type Folder, memoryFolder, readBytes, readText, writeText } from '../util/folder.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { INDEX_FILE, lazyTensors, openCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { safetensorsChunks } from './safetensors.ts';
import { assertShapes } from './shapes.ts';

const weights = (): Map<string, NDArray> =>
  new Map([
    ['emb.weight', array(Array.from({ length: 8 }, (_, i) => [i, i / 2]))],
    ['head.bias', array([1, 2, 3])],
    [
      'head.weight',
      array([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ],
  ]);

const snapshot = async (folder: Folder): Promise<Record<string, string>> => {
  const out: Record<string, string> = {};
  for (const p of await folder.list()) out[p] = Buffer.from((await readBytes(folder, p))!).toString('base64');
  return out;
};

describe('checkpoints', () => {
  it('writes one file below the limit and shards with an index above it', async () => {
    const one = memoryFolder();
    await writeCheckpoint(one, weights());
    expect(await one.list()).toEqual(['model.safetensors']);
    const many = memoryFolder();
    await writeCheckpoint(many, weights(), { maxShardBytes: 64 });
    expect(await many.list()).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      INDEX_FILE,
    ]);
    expect(JSON.parse((await readText(many, INDEX_FILE))!)).toEqual({
      metadata: { total_size: 100 },
      weight_map: {
        'emb.weight': 'model-00001-of-00002.safetensors',
        'head.bias': 'model-00002-of-00002.safetensors',
        'head.weight': 'model-00002-of-00002.safetensors',
      },
    });
    for (const folder of [one, many]) {
      const read = await (await openCheckpoint(folder))!.readAll({ finite: true });
      for (const [name, a] of weights()) expect(toNumbers(read.get(name)!)).toEqual(toNumbers(a));
    }
    await writeCheckpoint(many, weights());
    expect(await many.list()).toEqual(['model.safetensors']);
  });

  it('comes out byte-equal when nothing changed: odd order, odd header, bfloat16, shards', async () => {
    const folder = memoryFolder();
    const header =
      '{ "z":{"data_offsets":[4,8],"dtype":"BF16","shape":[2]}, "__metadata__":{"b":"2","a":"1"},\n "a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]} } ';
    const bytes = new Uint8Array(8 + header.length + 8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(new TextEncoder().encode(header), 8);
    bytes.set([0, 0, 192, 127, 1, 127, 129, 255], 8 + header.length);
    folder.files.set('part-a.safetensors', bytes);
    const more = safetensorsChunks([
      { name: 'n', dtype: 'F16', shape: [1], load: () => ndarray(Uint16Array.of(0x3c00)) },
    ]);
    folder.files.set('part-b.safetensors', await concatChunks(more));
    await writeText(
      folder,
      INDEX_FILE,
      '{"metadata":{"total_size": 10.0},"weight_map":{"z":"part-a.safetensors","a":"part-a.safetensors","n":"part-b.safetensors"}}',
    );
    const before = await snapshot(folder);
    const like = (await openCheckpoint(folder))!;
    const decoded = memoryFolder();
    await writeCheckpoint(decoded, await like.readAll(), { like });
    expect(await snapshot(decoded)).toEqual(before);
    const copied = memoryFolder();
    await writeCheckpoint(copied, lazyTensors(like), { like });
    expect(await snapshot(copied)).toEqual(before);
    const changed = await like.readAll();
    changed.set('a', array([5]));
    const other = memoryFolder();
    await writeCheckpoint(other, changed, { like });
    const read = (await openCheckpoint(other))!;
    expect([...toNumbers(await read.read('a'))]).toEqual([5]);
    expect(read.storage.get('z')).toBe('BF16');
  });

  it('stores floats as asked and keeps integers', async () => {
    const folder = memoryFolder();
    const tensors = weights().set('ids', array([1, 2], 'int64'));
    await writeCheckpoint(folder, tensors, { float: 'BF16' });
    const back = (await openCheckpoint(folder))!;
    expect(Object.fromEntries(back.storage)).toEqual({
      'emb.weight': 'BF16',
      'head.bias': 'BF16',
      'head.weight': 'BF16',
      ids: 'I64',
    });
    expect([...toNumbers(await back.readRows('emb.weight', 3, 4))]).toEqual([3, 1.5]);
  });

  it('names every file and tensor on which index and shards disagree', async () => {
    const folder = memoryFolder();
    await writeCheckpoint(folder, weights(), { maxShardBytes: 64 });
    const index = JSON.parse((await readText(folder, INDEX_FILE))!);
    const put = (map: unknown): Promise<void> =>
      writeText(folder, INDEX_FILE, JSON.stringify({ weight_map: map }));
    await put({ ...index.weight_map, extra: 'model-00003.safetensors', more: '../x.safetensors' });
    await expect(openCheckpoint(folder)).rejects.toThrow(/outside its folder/);
    await put({ ...index.weight_map, extra: 'model-00003.safetensors' });
    await expect(openCheckpoint(folder)).rejects.toThrow(/index lists are missing: model-00003/);
    await put({
      'head.bias': 'model-00001-of-00002.safetensors',
      'head.weight': 'model-00002-of-00002.safetensors',
    });
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /head\.bias is not in model-00001[\s\S]*model-00001-of-00002\.safetensors holds emb\.weight[\s\S]*holds head\.bias/,
    );
    await put([1]);
    await expect(openCheckpoint(folder)).rejects.toThrow(/weight_map is not an object/);
    await writeText(folder, INDEX_FILE, '{\n "weight_map": {,}}');
    await expect(openCheckpoint(folder)).rejects.toThrow(/index\.json:2:17: not valid JSON/);
    expect(await openCheckpoint(memoryFolder())).toBeUndefined();
  });

  it('works on disk, atomically', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'decant-'));
    try {
      const folder = diskFolder(join(dir, 'm'));
      await writeCheckpoint(folder, weights(), { maxShardBytes: 64 });
      const open = (await openCheckpoint(folder))!;
      expect([...toNumbers(await open.readRows('emb.weight', 7, 8))]).toEqual([7, 3.5]);
      const failing: Map<string, NDArray> = new Map([
        ['w', { dtype: 'float32', shape: [2], data: new Float32Array(1) }],
      ]);
      await expect(writeCheckpoint(folder, failing)).rejects.toThrow(/8 bytes were declared/);
      expect(await folder.list()).toEqual([
        'model-00001-of-00002.safetensors',
        'model-00002-of-00002.safetensors',
        INDEX_FILE,
      ]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('shape comparison', () => {
  it('lists everything at once', () => {
    const expected = { a: [1, 2], b: [3], c: [] };
    const found = { a: [2, 1], c: [], d: [4] };
    expect(() => assertShapes(expected, found, { at: 'folder' })).toThrow(
      /^folder: the weights do not fit the model:\n {2}shape of a: \[2,1\] instead of \[1,2\]\n {2}missing: b \[3\]\n {2}unexpected: d \[4\]\n/,
    );
    expect(() => assertShapes({ c: [] }, found, { at: 'x', allowUnexpected: true })).not.toThrow();
  });
});
