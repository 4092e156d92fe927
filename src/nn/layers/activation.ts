import { gelu, mul, relu, sigmoid, silu, type Tensor, tanh } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';

/** x · σ(1.702 x), CLIP's cheap GELU. */
const quickGelu = (x: Tensor): Tensor => mul(x, sigmoid(mul(x, 1.702)));

const ACTIVATIONS: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  gelu: (x) => gelu(x),
  gelu_new: (x) => gelu(x, { approximate: 'tanh' }),
  gelu_pytorch_tanh: (x) => gelu(x, { approximate: 'tanh' }),
  quick_gelu: quickGelu,
  relu: (x) => relu(x),
  silu: (x) => silu(x),
  swish: (x) => silu(x),
  tanh: (x) => tanh(x),
};

/** The activation of a config's name; an unknown one is an error that lists those there are. */
export function activation(name: string): (x: Tensor) => Tensor {
  const f = ACTIVATIONS[name];
  if (!f) {
    throw new DecantError('model', 'unknown activation', {
      at: 'config.json: hidden_act',
      seen: name,
      allowed: Object.keys(ACTIVATIONS).join(', '),
    });
  }
  return f;
}
