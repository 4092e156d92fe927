export * from './dpm-solver.ts';
export * from './samplers.ts';
export * from './timesteps.ts';
