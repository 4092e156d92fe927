/** Teachers behind an HTTP interface; docs/api-teachers.md. */

export { alignedTopK, type Spelling, spellingOf } from './aligned-topk.ts';
export { answerByBatch } from './batch.ts';
export { type BatchImport, readBatchFile, writeBatchFile } from './batch-file.ts';
export { type Capabilities, probe, probeEmbeddings, signalsOf } from './capabilities.ts';
export {
  type ApiClassifier,
  apiClassifier,
  type ClassifierSettings,
  classifierQuestion,
  logitsOf,
} from './classify.ts';
export { type Answer, type ApiClient, type ClientOptions, createApiClient } from './client.ts';
export {
  type AnswerSchema,
  chatQuestion,
  completionQuestion,
  embeddingQuestion,
  type Question,
} from './dialect.ts';
export { apiEmbedder, TEXTS_PER_REQUEST } from './embed.ts';
export { type Endpoint, endpointOf, providers } from './endpoint.ts';
export { type Budget, type Ledger, type LedgerTotals, openLedger, readLedger } from './ledger.ts';
export { mapOrdered } from './ordered.ts';
export { costOf, type PriceTable, priceOf, readPrices } from './prices.ts';
export { storedTokens } from './stored-answer.ts';
export { apiTextTeacher } from './text.ts';
