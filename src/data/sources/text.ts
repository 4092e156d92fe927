import type { Source } from '../types.ts';
import { type FileInput, lineBatches } from './bytes.ts';

/** How a plain text file is cut: every line, every block between blank lines, or the file as one example. */
export type TextUnit = 'lines' | 'paragraphs' | 'whole';

/** A plain text file as rows with one column, `text`. Blank lines only separate; they are not rows. */
export function textSource(input: FileInput, unit: TextUnit = 'lines'): Source {
  const row = (line: number, text: string) => ({ file: input.path, line, values: { text } });
  return {
    label: input.path,
    async *batches() {
      let block: string[] = [];
      let start = 1;
      for await (const { first, lines } of lineBatches(input)) {
        if (unit === 'lines') {
          yield lines.map((text, i) => row(first + i, text)).filter((r) => r.values.text.trim() !== '');
          continue;
        }
        const rows = [];
        for (let i = 0; i < lines.length; i++) {
          if (unit === 'paragraphs' && lines[i].trim() === '') {
            if (block.length > 0) rows.push(row(start, block.join('\n')));
            block = [];
          } else {
            if (block.length === 0) start = first + i;
            block.push(lines[i]);
          }
        }
        if (rows.length > 0) yield rows;
      }
      if (block.length > 0) yield [row(start, block.join('\n'))];
    },
  };
}
