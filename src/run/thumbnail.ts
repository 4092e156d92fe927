import { encode } from 'fast-png';
import { resize } from '../data/sources/image-codec.ts';
import type { Example } from '../data/types.ts';

/** Longest side of a picture in a report, in pixels: readable, and small in the file. */
const LONGEST = 96;

/** An example's image as a PNG in a data URL, made smaller when it is large; undefined for other examples. */
export function thumbnail({ image, shape }: Example): string | undefined {
  if (!image || !shape) return undefined;
  const scale = Math.min(1, LONGEST / Math.max(shape[0], shape[1]));
  const side = (n: number): number => Math.max(1, Math.round(n * scale));
  const small = resize({ image, shape }, [side(shape[0]), side(shape[1])]);
  const [height, width, channels] = small.shape;
  const png = encode({ width, height, channels: channels as 1 | 3, depth: 8, data: small.image });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}
