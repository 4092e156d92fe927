import { DecantError } from '../../util/errors.ts';

/** Pixels 0-255, row-major [height, width, channels] with 1 (grey) or 3 (RGB) channels. */
export interface Pixels {
  image: Uint8Array;
  shape: [height: number, width: number, channels: number];
}

export interface ImageForm {
  /** Every image is resized to this; without it all images must have the first one's size. */
  size?: [height: number, width: number];
  channels?: 1 | 3;
}

/** A PNG or JPEG file as pixels; transparency is laid over black. Errors: `data` for anything else. */
export async function decodeImage(bytes: Uint8Array, path: string): Promise<Pixels> {
  try {
    if (bytes[0] === 0x89 && bytes[1] === 0x50) return await decodePng(bytes);
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return await decodeJpeg(bytes);
  } catch (cause) {
    throw new DecantError('data', `damaged image: ${(cause as Error).message}`, { at: path, cause });
  }
  throw new DecantError('data', 'neither PNG nor JPEG', { at: path, allowed: '.png, .jpg, .jpeg' });
}

async function decodePng(bytes: Uint8Array): Promise<Pixels> {
  const { convertIndexedToRgb, decode } = await import('fast-png');
  const png = decode(bytes);
  const { width, height } = png;
  const indexed = png.palette !== undefined;
  const data = indexed ? convertIndexedToRgb(png) : png.data;
  const channels = indexed ? data.length / (width * height) : png.channels;
  const scale = indexed || png.depth === 8 ? 1 : 255 / (2 ** png.depth - 1);
  const colours = channels >= 3 ? 3 : 1;
  const alpha = channels === 2 || channels === 4;
  const image = new Uint8Array(width * height * colours);
  for (let p = 0; p < width * height; p++) {
    const cover = alpha ? (data[p * channels + channels - 1] * scale) / 255 : 1;
    for (let c = 0; c < colours; c++)
      image[p * colours + c] = Math.round(data[p * channels + c] * scale * cover);
  }
  return { image, shape: [height, width, colours] };
}

async function decodeJpeg(bytes: Uint8Array): Promise<Pixels> {
  const { decode } = await import('jpeg-js');
  const { width, height, data } = decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    maxMemoryUsageInMB: 1024,
  });
  let grey = true;
  for (let i = 0; i < data.length && grey; i += 3) grey = data[i] === data[i + 1] && data[i] === data[i + 2];
  const pixels: Pixels = { image: data, shape: [height, width, 3] };
  return grey ? withChannels(pixels, 1) : pixels;
}

/** Grey from RGB by the ITU-R BT.601 weights; RGB from grey by repetition. */
export function withChannels({ image, shape }: Pixels, channels: 1 | 3): Pixels {
  const [height, width, from] = shape;
  if (from === channels) return { image, shape };
  const out = new Uint8Array(height * width * channels);
  for (let p = 0; p < height * width; p++) {
    if (channels === 3) out.fill(image[p], p * 3, p * 3 + 3);
    else out[p] = Math.round(0.299 * image[p * 3] + 0.587 * image[p * 3 + 1] + 0.114 * image[p * 3 + 2]);
  }
  return { image: out, shape: [height, width, channels] };
}

/** Area average when shrinking, bilinear when enlarging: every output pixel is the mean of the input under a tent. */
export function resize({ image, shape }: Pixels, [height, width]: [number, number]): Pixels {
  const [h, w, channels] = shape;
  if (h === height && w === width) return { image, shape };
  const rows = weights(h, height);
  const columns = weights(w, width);
  const out = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const [row, rowWeight] of rows[y])
          for (const [column, weight] of columns[x])
            sum += rowWeight * weight * image[(row * w + column) * channels + c];
        out[(y * width + x) * channels + c] = Math.round(sum);
      }
    }
  }
  return { image: out, shape: [height, width, channels] };
}

/** For each output position the input positions under its tent, with weights that sum to 1. */
function weights(from: number, to: number): [number, number][][] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, o) => {
    const centre = (o + 0.5) * scale - 0.5;
    const taps: [number, number][] = [];
    for (let i = Math.ceil(centre - reach); i <= Math.floor(centre + reach); i++) {
      const weight = 1 - Math.abs(i - centre) / reach;
      if (weight > 0) taps.push([Math.min(from - 1, Math.max(0, i)), weight]);
    }
    const sum = taps.reduce((a, [, t]) => a + t, 0);
    return taps.map(([i, t]) => [i, t / sum]);
  });
}
