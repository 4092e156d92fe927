import { openDataset } from '../../data/sources/dataset.ts';
import { isProblem, type RawRow } from '../../data/types.ts';
import { DecantError } from '../../util/errors.ts';

/** All rows of a split of a public set, as the source holds them. */
export async function datasetRows(
  name: string,
  split: string,
  root: string | undefined,
): Promise<RawRow['values'][]> {
  const set = await openDataset(name, { root });
  const rows: RawRow['values'][] = [];
  for await (const batch of set.splits[split].batches()) {
    for (const item of batch) {
      if (isProblem(item))
        throw new DecantError('data', item.problem.message, { at: `dataset:${name}#${split}` });
      rows.push(item.values);
    }
  }
  return rows;
}
