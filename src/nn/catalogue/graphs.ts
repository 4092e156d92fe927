import { z } from 'zod';
import { gat, gatDefaults } from '../models/gat.ts';
import { gcn, gcnDefaults } from '../models/gcn.ts';
import { graphSage, sageDefaults } from '../models/sage.ts';
import { type Architecture, define, type ModelInfo, need, positive, rate } from './define.ts';

const options = (d: { hidden: number; layers: number; dropout: number }) =>
  z.strictObject({
    hidden: positive.default(d.hidden).describe('width of hidden states (of each head)'),
    layers: positive.default(d.layers).describe('layers: how many edges away a node sees'),
    dropout: rate.default(d.dropout).describe('dropout of the inputs of each layer'),
    featureDropout: rate
      .optional()
      .describe('another rate for the node features, the inputs of the first layer'),
    sparse: z.boolean().default(false).describe('features are given as index lists of ones'),
  });
const sizes = (info: ModelInfo) => ({ features: need(info, 'features'), classes: need(info, 'classes') });

/** Node classifiers on graphs. */
export const graphModels: Readonly<Record<string, Architecture>> = {
  gcn: define({
    tasks: ['node-classify'],
    summary: 'graph convolutions with the symmetrically normalized adjacency',
    options: options(gcnDefaults),
    make: (o, info) => gcn({ ...o, ...sizes(info) }),
  }),
  sage: define({
    tasks: ['node-classify'],
    summary: 'GraphSAGE: the mean of the neighbours beside the node itself',
    options: options(sageDefaults),
    make: (o, info) => graphSage({ ...o, ...sizes(info) }),
  }),
  gat: define({
    tasks: ['node-classify'],
    summary: 'graph attention over the neighbours',
    options: options(gatDefaults).extend({
      heads: positive.default(gatDefaults.heads).describe('attention heads of hidden layers'),
      outputHeads: positive.default(gatDefaults.outputHeads).describe('heads of the last layer, averaged'),
    }),
    make: (o, info) => gat({ ...o, ...sizes(info) }),
  }),
};
