import { describe, expect, it } from 'vitest';
import { decodeImage } from '../data/sources/image-codec.ts';
import { thumbnail } from './thumbnail.ts';

const pixelsOf = (url: string) =>
  decodeImage(Buffer.from(url.slice('data:image/png;base64,'.length), 'base64'), 'thumbnail');
const at = { file: 'x', line: 1 };

describe('thumbnails of a report', () => {
  it('keep the pixels of a small image', async () => {
    const image = Uint8Array.from({ length: 12 }, (_, i) => i * 20);
    const back = await pixelsOf(thumbnail({ ...at, image, shape: [2, 2, 3] })!);
    expect([...back.image]).toEqual([...image]);
    expect(back.shape).toEqual([2, 2, 3]);
  });
  it('are at most 96 pixels wide or high', async () => {
    const image = new Uint8Array(50 * 400).fill(7);
    const back = await pixelsOf(thumbnail({ ...at, image, shape: [50, 400, 1] })!);
    expect(back.shape).toEqual([12, 96, 1]);
    expect(new Set(back.image)).toEqual(new Set([7]));
  });
  it('are left out where there is no image', () => {
    expect(thumbnail({ ...at, text: 'a' })).toBeUndefined();
  });
});
