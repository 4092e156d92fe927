import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { fixtureTokenizers } from './fixtures/corpus.ts';

const fixture = JSON.parse(
  gunzipSync(readFileSync(new URL('fixtures/python-ids.json.gz', import.meta.url))).toString('utf8'),
) as { strings: string[]; tokenizers: Record<string, { ids: number[][]; decoded: string[] }> };

describe('trained tokenizers in transformers.js', () => {
  it.each(Object.entries(fixtureTokenizers()))(
    '%s: gives the ids and texts that Python gives',
    (name, files) => {
      const t = new PreTrainedTokenizer(files.tokenizer, files.tokenizerConfig);
      const { ids, decoded } = fixture.tokenizers[name];
      expect(fixture.strings.map((s) => t.encode(s))).toEqual(ids);
      const got = decoded.map((_, i) =>
        ids[i].length === 0 ? '' : t.decode(ids[i], { skip_special_tokens: true }),
      );
      expect(got).toEqual(decoded);
    },
  );
});
