import type { MethodNeeds, Signal } from '../methods/method.ts';
import { type Comparison, compareModels, type Subject } from './compare.ts';
import { type ModelDescriptor, type SignalDescriptor, showSignals } from './descriptor.ts';

/** What the check must know of a method. The optional fields refine what `MethodNeeds` says. */
export interface PairingNeeds extends MethodNeeds {
  /** Hidden layers are compared without a projection: their widths must be equal. */
  sameHidden?: boolean;
  /** Smallest k for which top-k signals are enough. */
  leastK?: number;
}

export interface MethodVerdict {
  method: string;
  verdict: 'legal' | 'adapted' | 'illegal';
  /** Why it is illegal, or what is bridged. */
  reasons: string[];
  /** The signals it would use; the first of the method's choices that the teacher has. */
  signals?: readonly Signal[];
}

export interface PairingReport extends Comparison {
  methods: MethodVerdict[];
  /** Names of the methods that can be used. */
  usable: string[];
}

export interface PairingContext {
  task: string;
  /** Whether the training rows carry labels. */
  labels: boolean;
  /** Longest input of the data in the teacher's tokens, when known. */
  longest?: number;
}

// Facts that matter only when outputs are compared one by one.
const OUTPUTS: readonly Subject[] = ['outputs', 'classes', 'vocabulary'];

/**
 * Which methods fit a pair of models, and why the others do not. Pure: descriptors in, verdicts out. Without a teacher
 * only methods that need none are usable.
 */
export function checkPairing(
  teacher: ModelDescriptor | undefined,
  student: ModelDescriptor,
  methods: Readonly<Record<string, PairingNeeds>>,
  context: PairingContext,
): PairingReport {
  const comparison: Comparison = teacher ? compareModels(teacher, student) : { facts: [], trims: [] };
  const limit = comparison.maxLength ?? teacher?.maxLength;
  if (limit !== undefined && context.longest !== undefined && context.longest > limit)
    comparison.facts.push({
      subject: 'length',
      state: 'adapted',
      message: `the longest input has ${context.longest} tokens: inputs are cut to ${limit} for both models`,
    });
  const verdicts = Object.entries(methods).map(([method, needs]) => ({
    method,
    ...judge(needs, teacher, student, comparison, context),
  }));
  return {
    ...comparison,
    methods: verdicts,
    usable: verdicts.filter((v) => v.verdict !== 'illegal').map((v) => v.method),
  };
}

function judge(
  needs: PairingNeeds,
  teacher: ModelDescriptor | undefined,
  student: ModelDescriptor,
  comparison: Comparison,
  context: PairingContext,
): Omit<MethodVerdict, 'method'> {
  const against: string[] = [];
  if (!needs.tasks.includes(context.task))
    against.push(`serves ${needs.tasks.join(', ')}, not ${context.task}`);
  if (needs.labels === 'required' && !context.labels)
    against.push('needs labels, and the training rows have none');
  if (needs.signals.length === 0)
    return { verdict: against.length > 0 ? 'illegal' : 'legal', reasons: against, signals: [] };
  if (!teacher)
    return { verdict: 'illegal', reasons: [...against, 'needs a teacher, and the recipe has none'] };

  const choice = needs.signals.find((set) => set.every((signal) => offers(teacher.signals, signal, needs)));
  if (!choice) {
    against.push(
      `needs ${needs.signals.map((set) => set.map((s) => (s === 'topk' && needs.leastK ? `topk(${needs.leastK})` : s)).join(' and ')).join(', or ')} from the teacher, which gives ${showSignals(teacher.signals)}`,
    );
    return { verdict: 'illegal', reasons: against };
  }
  const bridged: string[] = [];
  const perOutput = needs.sameVocabulary || choice.includes('logits') || choice.includes('topk');
  for (const fact of comparison.facts) {
    // A method that works across vocabularies aligns tokens itself; classes and kinds of output must still agree.
    const crossed = !needs.sameVocabulary && fact.subject === 'vocabulary';
    if (!perOutput && OUTPUTS.includes(fact.subject)) continue;
    if (fact.state === 'blocked' && !crossed) against.push(fact.message);
    else if (fact.state !== 'same')
      bridged.push(crossed ? `aligned by the method itself: ${fact.message}` : fact.message);
  }
  if (choice.includes('hidden') && needs.studentHidden !== false)
    hidden(needs, teacher, student, against, bridged);
  return {
    verdict: against.length > 0 ? 'illegal' : bridged.length > 0 ? 'adapted' : 'legal',
    reasons: against.length > 0 ? against : bridged,
    signals: choice,
  };
}

function hidden(
  needs: PairingNeeds,
  teacher: ModelDescriptor,
  student: ModelDescriptor,
  against: string[],
  bridged: string[],
): void {
  const [t, s] = [teacher.signals.hidden?.at(-1), student.signals.hidden?.at(-1)];
  if (s === undefined) against.push('the student shows no hidden layers');
  else if (t !== s && t && s) {
    if (needs.sameHidden)
      against.push(`hidden layers are ${t} and ${s} wide and the method compares them as they are`);
    else bridged.push(`hidden layers are ${t} and ${s} wide: a projection is trained`);
  }
}

function offers(signals: SignalDescriptor, wanted: Signal, needs: PairingNeeds): boolean {
  switch (wanted) {
    case 'topk':
      // All logits hold every top-k.
      return signals.logits === true || (signals.topk ?? 0) >= (needs.leastK ?? 1);
    case 'hidden':
      return (signals.hidden?.length ?? 0) > 0;
    default:
      return signals[wanted] === true;
  }
}
