import type { DType } from '../dtype.ts';
import { COMPOSITES, OPERATORS } from '../ops/index.ts';
import { type OpFacts, operatorFacts, refusals } from './coverage.ts';
import { ELEMENTARY, LAYERS } from './families.ts';

const SHORT: Record<DType, string> = {
  float32: 'f32',
  float64: 'f64',
  float16: 'f16',
  int32: 'i32',
  int64: 'i64',
  bool: 'bool',
  uint8: 'u8',
  uint32: 'u32',
};
const code = (list: readonly string[]): string => list.map((x) => `\`${x}\``).join(' ');

/** `f64, i32: no kernel for Erf; f16: …`, dtypes with one reason together. */
function showRefusals(found: ReadonlyMap<DType, string>): string {
  const byReason = new Map<string, string[]>();
  for (const [dtype, why] of found) byReason.set(why, [...(byReason.get(why) ?? []), SHORT[dtype]]);
  return [...byReason].map(([why, types]) => `${types.join(', ')}: ${why}`).join('; ');
}

function row(f: OpFacts, refused: ReadonlyMap<DType, string>): string {
  const gradient = f.op.vjp === 'none' ? 'none' : f.gradientChecked ? 'checked' : 'yes';
  const second = f.op.vjp === 'none' ? '' : f.secondChecked ? 'checked' : '';
  const onnx = [code(f.onnx), f.fused.length > 0 ? `(or ${code(f.fused)})` : ''].filter(Boolean).join(' ');
  const cells = [
    `\`${f.op.name}\``,
    f.op.doc.replaceAll('|', '\\|'),
    f.dtypes.map((t) => SHORT[t]).join(' '),
    gradient,
    second,
    onnx,
    showRefusals(refused),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The coverage table, docs/operators.md: made from the operators' data, their samples, and trial runs. */
export async function operatorsTable(): Promise<string> {
  const facts = operatorFacts();
  const lines = [
    '# Operators',
    '',
    'Made by `npx tsx scripts/operators-doc.ts` from the operators themselves; a test keeps it current.',
    '',
    'Each operator is defined once (`src/graph/ops`): shape rule, float64 evaluation, gradient, ONNX. The oracle runs',
    'all of them in all dtypes listed. onnxruntime-node runs them on the CPU but for the refusals listed, which were',
    'found by trying; the wasm build of onnxruntime-web passes the same samples. Tests compare both with the oracle on',
    'random shapes (broadcast, symbolic and empty ones too) and on edge values. _checked_: the gradient (and the',
    'gradient of the gradient) is compared with finite differences in float64. _yes_: it is differentiated inside the',
    'gradient of another operator. ONNX operators in brackets are onnxruntime’s own, used for training; exports use the',
    'standard ones.',
    '',
  ];
  for (const [family, ops] of Object.entries(OPERATORS)) {
    lines.push(
      `## ${family}`,
      '',
      '| operator | computes | dtypes | gradient | second order | ONNX | onnxruntime refuses |',
      '|---|---|---|---|---|---|---|',
    );
    for (const op of ops) {
      const f = facts.get(op)!;
      lines.push(row(f, await refusals(f)));
    }
    lines.push('');
  }
  lines.push('## Made of other operators', '', '| function | computes |', '|---|---|');
  for (const [name, doc] of Object.entries(COMPOSITES)) lines.push(`| \`${name}\` | ${doc} |`);
  lines.push('', ...skipped(), '');
  return lines.join('\n').replace(/\n{3,}/g, '\n\n');
}

/** Samples that are not run on onnxruntime, with the reason they give. */
function skipped(): string[] {
  const found = [...Object.values(ELEMENTARY), ...Object.values(LAYERS)]
    .flat()
    .flatMap((s) => (s.edges?.() ?? []).flatMap((e) => (e.skipOrt ? [`- \`${s.op}\`: ${e.skipOrt}`] : [])));
  return [
    '## Further limits of onnxruntime',
    '',
    '- `topK`, `sort`: an array whose axis is not empty but which has no elements ends the process (a division by zero',
    '  in TopK). Shapes known to be empty are handled; symbolic sizes that turn out to be 0 are not.',
    '- `erf`, `gelu`: float32 and float16 only, so the oracle is the only float64 engine for them.',
    '- `scatterAdd` never becomes ScatterND: with reduction `add` it loses updates at two threads and more.',
    ...found,
  ];
}
