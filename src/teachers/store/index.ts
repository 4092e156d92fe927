/** The journalled, content-hashed store of teacher signals; byte format in docs/signal-store.md. */
export { decodeSignal, encodeSignal, type FormName } from './encode.ts';
export { type SignalSource, signalKey, sourceId } from './key.ts';
export type {
  Encoding,
  HiddenSignal,
  LogitsSignal,
  PackedOptions,
  ScoreSignal,
  Signal,
  TextSignal,
  TopKSignal,
} from './signal.ts';
export {
  openSignalStore,
  type SignalShelf,
  type SignalStore,
  type StoredRecord,
  type StoreOptions,
  type StoreStats,
} from './store.ts';
export { emptyTopK, tailOf, topKFromLogits } from './top-k.ts';
