/** What the pairing check knows of a model. Filled by whoever opens models and tokenizers; plain data, so that it can be stored. */
export interface ModelDescriptor {
  /** For messages: a path, a hub id, or "student". */
  name: string;
  /** What the last layer's numbers stand for. */
  output: 'classes' | 'tokens' | 'embedding' | 'score' | 'sample';
  /** How many there are: width of the logits, or of the embedding. */
  width: number;
  /** Class names in the order of the outputs. */
  classes?: readonly string[];
  tokenizer?: TokenizerDescriptor;
  /** Longest input in tokens. */
  maxLength?: number;
  signals: SignalDescriptor;
}

export interface TokenizerDescriptor {
  /** Token by id; holes are undefined. */
  tokens: readonly (string | undefined)[];
  /** Special tokens by role: bos, eos, pad, unk, cls, sep, mask. */
  special: Readonly<Record<string, { id: number; token: string } | undefined>>;
  /** Jinja source of the chat template. */
  chatTemplate?: string;
  /** Tokens (as strings) of a few fixed texts, the same texts for every model: tells vocabularies apart that split differently. */
  probe?: readonly (readonly string[])[];
  /** Settings of a tokenizer that does not exist yet: it will be trained on the rows of the run. */
  trained?: string;
}

/** What a model can give about an input. Absent means it cannot. */
export interface SignalDescriptor {
  /** It writes text. */
  text?: boolean;
  /** Log-probabilities of the k likeliest outputs. */
  topk?: number;
  /** All logits. */
  logits?: boolean;
  /** Width of each hidden layer it shows; 0 where the run will tell. */
  hidden?: readonly number[];
  /** One number per input: a reward, a relevance. */
  score?: boolean;
  /** The network itself, for losses that call it. */
  weights?: boolean;
}

/** `text, topk(20), logits, hidden(12)`. */
export const showSignals = (s: SignalDescriptor): string =>
  [
    s.text && 'text',
    s.topk && `topk(${s.topk})`,
    s.logits && 'logits',
    s.hidden?.length && `hidden(${s.hidden.length})`,
    s.score && 'score',
    s.weights && 'weights',
  ]
    .filter(Boolean)
    .join(', ') || 'none';
