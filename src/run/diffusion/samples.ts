import type { Example } from '../../data/types.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { featureScale, type PixelScale } from '../../train/encoded.ts';
import { DecantError } from '../../util/errors.ts';

/** How rows of the data become samples of a network, and back. */
export interface SampleForm {
  readonly kind: 'points' | 'images';
  /** Sizes of a sample without the batch: [features], [channels, height, width], or all pixels in one row. */
  readonly shape: readonly number[];
  /** [height, width, channels] of images. */
  readonly image?: readonly [number, number, number];
  /** Mean and deviation per feature; images are scaled from 0 … 255 to -1 … 1. */
  readonly scale?: PixelScale;
  encode(examples: readonly Example[]): NDArray;
}

/** The form of the data's rows. Errors: `data` for images of different sizes. */
export function sampleForm(examples: readonly Example[], flat: boolean): SampleForm {
  const [first] = examples;
  if (first?.image) return imageForm(examples, flat);
  const width = first.features!.length;
  const scale = featureScale(examples);
  return {
    kind: 'points',
    shape: [width],
    scale,
    encode: (rows) => {
      const out = new Float32Array(rows.length * width);
      rows.forEach(({ features }, r) => {
        for (let i = 0; i < width; i++) out[r * width + i] = (features![i] - scale.mean[i]) / scale.std[i];
      });
      return ndarray(out, [rows.length, width]);
    },
  };
}

function imageForm(examples: readonly Example[], flat: boolean): SampleForm {
  const image = examples[0].shape!;
  const wrong = examples.find((e) => e.shape?.join() !== image.join());
  if (wrong)
    throw new DecantError('data', 'images differ in size', {
      at: `${wrong.file}:${wrong.line}`,
      seen: wrong.shape,
      allowed: image.join(' × '),
      fix: 'set data.image.size and data.image.channels',
    });
  const [height, width, channels] = image;
  const area = height * width;
  const shape = flat ? [channels * area] : [channels, height, width];
  return {
    kind: 'images',
    shape,
    image,
    encode: (rows) => {
      const out = new Float32Array(rows.length * channels * area);
      rows.forEach(({ image: pixels }, r) => {
        for (let i = 0; i < area; i++)
          for (let c = 0; c < channels; c++)
            out[(r * channels + c) * area + i] = pixels![i * channels + c] / 127.5 - 1;
      });
      return ndarray(out, [rows.length, ...shape]);
    },
  };
}

/** Samples as pictures of the data: pixels 0 … 255, row-major [height, width, channels]. */
export function pictures(samples: NDArray, form: SampleForm): Example[] {
  const [height, width, channels] = form.image!;
  const area = height * width;
  return Array.from({ length: samples.shape[0] }, (_, r) => {
    const image = new Uint8Array(area * channels);
    for (let i = 0; i < area; i++)
      for (let c = 0; c < channels; c++) {
        const v = Number(samples.data[(r * channels + c) * area + i]);
        image[i * channels + c] = Math.round(127.5 * (Math.min(1, Math.max(-1, v)) + 1));
      }
    return { file: 'sample', line: r, image, shape: [height, width, channels] };
  });
}
