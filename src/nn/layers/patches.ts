import { broadcastTo, concat, conv, dimProduct, reshape, type Tensor, transpose } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';

/** Patches of a square image per side; sizes that do not divide are an error. */
export function patchesPerSide(imageSize: number, patchSize: number): number {
  if (imageSize % patchSize !== 0) {
    throw new DecantError('model', 'the image is not a whole number of patches', {
      at: 'config.json: patch_size',
      seen: `${imageSize} pixels, patches of ${patchSize}`,
      fix: 'use a patch size that divides the image size',
    });
  }
  return imageSize / patchSize;
}

/**
 * Non-overlapping patches `[batch, channels, size, size]` as vectors `[batch, patches, width]`: a convolution whose
 * stride is its kernel (weight `[width, channels, p, p]`), rows of patches first.
 */
export function patchVectors(pixels: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const size = weight.shape[2] as number;
  const x = conv(pixels, weight, { strides: [size, size], bias });
  return transpose(reshape(x, [x.shape[0], x.shape[1], dimProduct(x.shape.slice(2))]), [0, 2, 1]);
}

/** A learned vector in front of a sequence: `[batch, seq, width]` to `[batch, 1 + seq, width]`. */
export function prependVector(x: Tensor, vector: Tensor): Tensor {
  const width = x.shape[2];
  return concat([broadcastTo(reshape(vector, [1, 1, width]), [x.shape[0], 1, width]), x], 1);
}
