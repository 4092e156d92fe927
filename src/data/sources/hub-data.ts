import type { HubOptions } from '../../util/node/hub.ts';
import { formatOf, type HubData } from './open.ts';

/**
 * Data sets of the Hugging Face hub through the local cache: fetches the table files in the root, in `data/` and in a
 * folder named like a configuration (`default`, `plain_text`, ...), never a script.
 */
export const hubData =
  (options: HubOptions = {}): HubData =>
  async (name, { revision }) => {
    const { downloadFromHub } = await import('../../util/node/hub.ts');
    const files = (path: string): boolean =>
      path.split('/').length <= 2 && !path.startsWith('.') && formatOf(path) !== undefined;
    const { folder } = await downloadFromHub(
      { type: 'dataset', name, revision: revision ?? 'main' },
      { ...options, files },
    );
    return folder;
  };
