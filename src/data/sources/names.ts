/** The split that a file or folder name stands for, or undefined: `valid.csv` is `validation`. */
export function splitName(name: string): string | undefined {
  const stem = name.toLowerCase().replace(/\..*$/, '');
  const table: Record<string, string> = {
    train: 'train',
    training: 'train',
    validation: 'validation',
    valid: 'validation',
    val: 'validation',
    dev: 'validation',
    test: 'test',
    testing: 'test',
    unlabeled: 'unlabeled',
    unlabelled: 'unlabeled',
    unsupervised: 'unlabeled',
    pool: 'unlabeled',
  };
  // Hub exports are named train-00000-of-00002.parquet.
  return table[stem.replace(/-\d+-of-\d+$/, '')];
}
