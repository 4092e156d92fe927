/** What transformers.js makes of three exported folders. The same code runs in Node and in a page. */
export interface PipelineOutputs {
  /** Class to probability, per text. */
  classes: Record<string, number>[];
  /** Sentence vectors. */
  vectors: number[][];
  /** Greedy continuations, and the logits of the first text at every position. */
  texts: string[];
  logits: number[];
}

export interface Asked {
  /** Folders as `pipeline` is to find them. */
  classifier: string;
  embedder: string;
  decoder: string;
  texts: string[];
  prompts: string[];
  newTokens: number;
}

// biome-ignore lint/suspicious/noExplicitAny: the pipelines of transformers.js have a type for every task
type Pipeline = (task: string, model: string, options: { dtype: 'fp32' }) => Promise<any>;

export async function pipelineOutputs(pipeline: Pipeline, asked: Asked): Promise<PipelineOutputs> {
  const dtype = 'fp32';
  const classifier = await pipeline('text-classification', asked.classifier, { dtype });
  const embedder = await pipeline('feature-extraction', asked.embedder, { dtype });
  const writer = await pipeline('text-generation', asked.decoder, { dtype });
  const found = (await classifier(asked.texts, { top_k: null })) as { label: string; score: number }[][];
  const vectors = await embedder(asked.texts, { pooling: 'mean', normalize: true });
  const written = (await writer(asked.prompts, {
    max_new_tokens: asked.newTokens,
    do_sample: false,
    return_full_text: false,
  })) as { generated_text: string }[][];
  const { logits } = await writer.model(writer.tokenizer(asked.texts[0]));
  return {
    classes: found.map((list) => Object.fromEntries(list.map((e) => [e.label, e.score]))),
    vectors: vectors.tolist(),
    texts: written.map(([w]) => w.generated_text),
    logits: Array.from(logits.data as Float32Array),
  };
}
