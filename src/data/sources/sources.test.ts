import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encode as encodePng } from 'fast-png';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { encode as encodeJpeg } from 'jpeg-js';
import { describe, expect, it } from 'vitest';
import { startHubServer } from '../../util/node/testing/hub-server.ts';
import { folderWith, readSource } from '../testing/files.ts';
import { hubData } from './hub-data.ts';
import { decodeImage, resize, withChannels } from './image-codec.ts';
import { fileSource, openReference, parseReference } from './open.ts';

const read = async (
  name: string,
  content: string | Uint8Array,
  options: Parameters<typeof fileSource>[1] = {},
) => {
  const folder = folderWith({ [name]: content });
  return readSource(await fileSource(join(folder, name), options));
};
const texts = (rows: { values: Record<string, unknown> }[], column = 'text') =>
  rows.map((r) => r.values[column]);

describe('CSV', () => {
  it('reads quoted, multi-line and CRLF fields with the line each row starts on', async () => {
    const { rows } = await read('a.csv', 'text,label\r\n"two\nlines",a\r\n"say ""hi"", ok",b\r\nplain,c\r\n');
    expect(rows.map((r) => [r.line, r.values.text, r.values.label])).toEqual([
      [2, 'two\nlines', 'a'],
      [4, 'say "hi", ok', 'b'],
      [5, 'plain', 'c'],
    ]);
  });
  it('puts ragged and blank rows aside with their line and goes on', async () => {
    const { rows, problems } = await read('a.csv', 'text,label\na,1\nb\n\nc,3,4\nd,4\n');
    expect(texts(rows)).toEqual(['a', 'd']);
    expect(problems.map((p) => [p.kind, p.line, p.message])).toEqual([
      ['ragged', 3, '1 field where the header has 2'],
      ['empty', 4, 'blank line'],
      ['ragged', 5, '3 fields where the header has 2'],
    ]);
    expect(problems[2].raw).toContain('c');
  });
  it.each([
    ['a.csv', ';'],
    ['a.csv', '|'],
    ['a.tsv', '\t'],
  ])('%s with %j between fields', async (name, delimiter) => {
    const { rows } = await read(name, `text${delimiter}label\n"a, b"${delimiter}x\n`);
    expect(rows[0].values).toEqual({ text: 'a, b', label: 'x' });
  });
  it('names the line of a quote that is never closed', async () => {
    await expect(read('a.csv', 'text,label\na,1\nb,"2\nc,3\nd,4\n')).rejects.toThrow(
      /a\.csv:3: a quoted field that starts here is never closed.*close the quote/,
    );
  });
  it.each([
    ['', /a\.csv: is empty/],
    ['text,label,text\na,b,c\n', /a\.csv:1: two columns have the same name; seen: "text"/],
    ['te\0xt,label\n', /holds zero bytes, so it is not text/],
  ])('refuses %j', async (content, message) => {
    await expect(read('a.csv', content)).rejects.toThrow(message);
  });
  it('takes column names for a file without a header line', async () => {
    const { rows } = await read('a.csv', '1,2\n3,4\n', { names: ['x', 'y'] });
    expect(rows.map((r) => [r.line, r.values])).toEqual([
      [1, { x: '1', y: '2' }],
      [2, { x: '3', y: '4' }],
    ]);
  });
});

describe('encodings', () => {
  const csv = 'text,label\ncafé,a\n';
  it.each([
    ['UTF-8 with a byte-order mark', Buffer.from(`\ufeff${csv}`), {}],
    ['UTF-16 with a byte-order mark', Buffer.from(`\ufeff${csv}`, 'utf16le'), {}],
    ['gzip', gzipSync(csv), {}],
    ['windows-1252, when named', Buffer.from(csv, 'latin1'), { encoding: 'windows-1252' }],
  ])('%s', async (_, content, options) => {
    const { rows } = await read('a.csv', content, options);
    expect(rows[0].values).toEqual({ text: 'café', label: 'a' });
  });
  it('refuses an unknown encoding and a damaged gzip file', async () => {
    await expect(read('a.csv', csv, { encoding: 'latin-99' })).rejects.toThrow(
      /unknown text encoding; seen: "latin-99"/,
    );
    await expect(read('a.csv.gz', gzipSync('text,label\n'.repeat(5000)).subarray(0, 60))).rejects.toThrow(
      /cannot be read.*damaged or cut short/,
    );
  });
});

describe('JSON', () => {
  it('puts broken lines of JSONL aside', async () => {
    const { rows, problems } = await read('a.jsonl', '{"text":"a"}\n{"text":\n\n[1]\n"x"\n{"text":"b"}');
    expect(rows.map((r) => [r.line, r.values.text])).toEqual([
      [1, 'a'],
      [6, 'b'],
    ]);
    expect(problems.map((p) => [p.kind, p.line])).toEqual([
      ['parse', 2],
      ['empty', 3],
      ['parse', 4],
      ['parse', 5],
    ]);
  });
  it('keeps line numbers over many chunks', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) =>
      JSON.stringify({ text: `row ${i} ${'é'.repeat(20)}` }),
    );
    const { rows } = await read('a.jsonl', lines.join('\n'));
    expect(rows).toHaveLength(20_000);
    expect(rows.every((r, i) => r.line === i + 1 && (r.values.text as string).startsWith(`row ${i} `))).toBe(
      true,
    );
  });
  it('reads an array of objects, and says so when it is something else', async () => {
    expect(texts((await read('a.json', '[{"text":"a"},{"text":"b"}]')).rows)).toEqual(['a', 'b']);
    await expect(read('a.json', '{"text":"a"}')).rejects.toThrow(/expected an array of objects/);
    await expect(read('a.json', '[{"text":"a"}')).rejects.toThrow(/not valid JSON.*named \.jsonl/);
  });
});

describe('Parquet', () => {
  it('reads text, numbers and lists in order, over several batches', async () => {
    const n = 2500;
    const content = parquetWriteBuffer({
      columnData: [
        { name: 'text', data: Array.from({ length: n }, (_, i) => `row ${i}`), type: 'STRING' },
        { name: 'label', data: Array.from({ length: n }, (_, i) => i % 7), type: 'INT32' },
      ],
    });
    const { rows } = await read('a.parquet', new Uint8Array(content));
    expect(rows).toHaveLength(n);
    expect(
      rows.every(
        (r, i) => r.line === i + 1 && r.values.text === `row ${i}` && Number(r.values.label) === i % 7,
      ),
    ).toBe(true);
  });
  it('refuses a file that is none', async () => {
    await expect(read('a.parquet', 'text,label\n')).rejects.toThrow(
      /a\.parquet: not a readable Parquet file/,
    );
  });
});

describe('plain text', () => {
  const content = 'one\ntwo\n\nthree\n';
  it.each([
    [
      'lines',
      [
        [1, 'one'],
        [2, 'two'],
        [4, 'three'],
      ],
    ],
    [
      'paragraphs',
      [
        [1, 'one\ntwo'],
        [4, 'three'],
      ],
    ],
    ['whole', [[1, 'one\ntwo\n\nthree']]],
  ] as const)('%s', async (textUnit, expected) => {
    const { rows } = await read('a.txt', content, { textUnit });
    expect(rows.map((r) => [r.line, r.values.text])).toEqual(expected);
  });
});

describe('images', () => {
  const png = (width: number, height: number, channels: 1 | 3 | 4, value = 200) =>
    encodePng({
      width,
      height,
      channels,
      depth: 8,
      data: new Uint8Array(width * height * channels).fill(value),
    });

  it('reads a folder per class, and puts damaged and odd-sized images aside', async () => {
    const folder = folderWith({
      'cat/1.png': png(4, 3, 1),
      'cat/2.png': png(5, 3, 1),
      'dog/1.png': png(4, 3, 1),
      'dog/2.png': new Uint8Array([0x89, 0x50, 1, 2]),
      'dog/note.txt': 'x',
    });
    const set = await openReference(folder, { baseDir: '/' });
    expect(set.classes).toEqual(['cat', 'dog']);
    const { rows, problems } = await readSource(set.splits.all);
    expect(rows.map((r) => [r.values.label, r.values.shape])).toEqual([
      ['cat', [3, 4, 1]],
      ['dog', [3, 4, 1]],
    ]);
    expect(problems.map((p) => p.message)).toEqual([
      expect.stringMatching(/is 3x5x1, the first image is 3x4x1.*data\.image\.size/),
      expect.stringMatching(/damaged image/),
    ]);
  });
  it('reads a folder per split, resized and in colour', async () => {
    const folder = folderWith({
      'train/a/1.png': png(8, 8, 1),
      'train/b/1.png': png(6, 4, 3),
      'valid/a/1.png': png(8, 8, 1),
    });
    const set = await openReference(folder, { baseDir: '/', image: { size: [4, 4], channels: 3 } });
    expect(Object.keys(set.splits).sort()).toEqual(['train', 'validation']);
    const { rows } = await readSource(set.splits.train);
    expect(
      rows.map((r) => [r.values.shape, [...(r.values.image as Uint8Array)].every((x) => x === 200)]),
    ).toEqual([
      [[4, 4, 3], true],
      [[4, 4, 3], true],
    ]);
  });
  it('decodes JPEG to grey or colour, and lays transparency over black', async () => {
    const rgba = new Uint8Array(8 * 8 * 4).map((_, i) => (i % 4 === 0 ? 250 : i % 4 === 3 ? 255 : 10));
    const jpeg = await decodeImage(encodeJpeg({ width: 8, height: 8, data: rgba }, 95).data, 'a.jpg');
    expect(jpeg.shape).toEqual([8, 8, 3]);
    expect(Math.abs(jpeg.image[0] - 250)).toBeLessThan(12);
    const half = new Uint8Array([100, 50, 0, 0, 100, 50, 0, 255]);
    const image = await decodeImage(
      encodePng({ width: 2, height: 1, channels: 4, depth: 8, data: half }),
      'a.png',
    );
    expect([...image.image]).toEqual([0, 0, 0, 100, 50, 0]);
    await expect(decodeImage(new Uint8Array([1, 2, 3]), 'x.gif')).rejects.toThrow(
      /x\.gif: neither PNG nor JPEG/,
    );
  });
  it('averages when shrinking and converts channels', () => {
    const board = { image: new Uint8Array([0, 255, 255, 0]), shape: [2, 2, 1] as [number, number, number] };
    expect([...resize(board, [1, 1]).image]).toEqual([128]);
    expect(resize(board, [4, 4]).shape).toEqual([4, 4, 1]);
    expect([...withChannels({ image: new Uint8Array([255, 0, 0]), shape: [1, 1, 3] }, 1).image]).toEqual([
      76,
    ]);
  });
  it('reads raw arrays by header.json, and checks their size', async () => {
    const header = (n: number) =>
      JSON.stringify({
        classes: ['zero', 'one'],
        files: {
          'train.images.u8.gz': { dtype: 'uint8', shape: [n, 2, 2], compression: 'gzip' },
          'train.labels.u8': { dtype: 'uint8', shape: [n] },
        },
      });
    const files = {
      'train.images.u8.gz': gzipSync(Uint8Array.from({ length: 12 }, (_, i) => i)),
      'train.labels.u8': new Uint8Array([1, 0, 1]),
    };
    const set = await openReference(folderWith({ ...files, 'header.json': header(3) }), { baseDir: '/' });
    const { rows } = await readSource(set.splits.train);
    expect(
      rows.map((r) => [r.line, r.values.label, [...(r.values.image as Uint8Array)], r.values.shape]),
    ).toEqual([
      [1, 1, [0, 1, 2, 3], [2, 2, 1]],
      [2, 0, [4, 5, 6, 7], [2, 2, 1]],
      [3, 1, [8, 9, 10, 11], [2, 2, 1]],
    ]);
    const short = await openReference(folderWith({ ...files, 'header.json': header(4) }), { baseDir: '/' });
    await expect(readSource(short.splits.train)).rejects.toThrow(
      /holds 12 bytes where header\.json promises 16/,
    );
  });
});

describe('references', () => {
  it.each([
    ['dataset:sst2#test', { kind: 'dataset', name: 'sst2', split: 'test' }],
    ['builtin:support-requests', { kind: 'builtin', name: 'support-requests' }],
    ['hub:owner/name@v1#train', { kind: 'hub', name: 'owner/name', revision: 'v1', split: 'train' }],
    ['./a b.csv', { kind: 'path', name: './a b.csv' }],
    ['C:\\rows.csv', { kind: 'path', name: 'C:\\rows.csv' }],
  ])('%s', (text, expected) => {
    expect(parseReference(text)).toEqual(expect.objectContaining(expected));
  });
  it('suggests the nearest kind and file', async () => {
    expect(() => parseReference('datasets:sst2')).toThrow(/unknown kind.*did you mean "dataset"/);
    expect(() => parseReference('hub:name')).toThrow(/needs owner and name/);
    const folder = folderWith({ 'train.csv': 'text\na\n' });
    await expect(openReference('trian.csv', { baseDir: folder })).rejects.toThrow(
      /no such file or folder.*did you mean "train\.csv"/,
    );
    await expect(openReference('x/y.csv', { baseDir: folder })).rejects.toThrow(/no such folder/);
    await expect(fileSource(join(folder, 'a.xls'), {})).rejects.toThrow(
      /the format of this file is not known.*\.csv/,
    );
  });
  it('fetches the tables of a hub data set, and reads them from the cache when offline', async () => {
    const files = {
      'README.md': '# x',
      'load.py': 'x',
      'plain_text/train.jsonl': '{"text":"a"}\n',
      'plain_text/test.csv': 'text\nb\n',
    };
    const server = await startHubServer(
      'acme/rows',
      Object.fromEntries(Object.entries(files).map(([k, v]) => [k, Buffer.from(v)])),
      [],
    );
    const options = { cacheDir: folderWith(), hubUrl: server.url, env: {} };
    const set = await openReference('hub:acme/rows', { baseDir: '/', hub: hubData(options) }).finally(() =>
      server.close(),
    );
    expect(texts((await readSource(set.splits.train)).rows)).toEqual(['a']);
    expect(server.log.some((l) => /load\.py|README/.test(l.line.split(' ')[1].replace(/\?.*/, '')))).toBe(
      false,
    );
    const again = await openReference('hub:acme/rows#test', {
      baseDir: '/',
      hub: hubData({ ...options, offline: true }),
    });
    expect(texts((await readSource(again.splits.test)).rows)).toEqual(['b']);
  });
  it('opens a folder by the names of its files, shards together, and hub data through the hook', async () => {
    const folder = folderWith({
      'train-00000-of-00002.jsonl': '{"text":"a"}\n',
      'train-00001-of-00002.jsonl': '{"text":"b"}\n',
      'dev.csv': 'text\nc\n',
      'README.md': 'x',
    });
    const set = await openReference('hub:owner/name', { baseDir: '/', hub: async () => folder });
    expect(Object.keys(set.splits).sort()).toEqual(['train', 'validation']);
    expect(texts((await readSource(set.splits.train)).rows)).toEqual(['a', 'b']);
    await expect(openReference(folderWith({ 'notes.md': 'x' }), { baseDir: '/' })).rejects.toThrow(
      /nothing in this folder looks like data/,
    );
  });
});
