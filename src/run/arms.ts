import type { ReportArm } from '../evaluate/report/data.ts';
import type { NDArray } from '../graph/index.ts';
import type { AnyModel } from '../nn/model.ts';
import { countParams, type Params } from '../nn/params.ts';
import { type Arm, type TrainedArm, trainArm } from './arm.ts';
import type { RunContext } from './context.ts';

/** One seed of a run. */
export interface SeedOfRun {
  readonly seed: number;
  /** Whether the teacher's signal is to be probed: once a run, before the first student. */
  readonly probe: boolean;
  /** What an arm of this seed is called: in folders and journals, and to the reader. */
  arm(name: string, title: string): NamedArm;
}

export type NamedArm = Pick<Arm, 'name' | 'title' | 'seed'>;

/** Does the same for every seed of the recipe, one after the other. */
export async function eachSeed<T>(
  { recipe }: RunContext,
  train: (at: SeedOfRun) => Promise<T>,
): Promise<T[]> {
  const { length } = recipe.seeds;
  const out: T[] = [];
  for (const [i, seed] of recipe.seeds.entries()) {
    const counted = length > 1 ? ` ${i + 1}/${length}` : '';
    out.push(
      await train({
        seed,
        probe: recipe.train.probe && i === 0,
        arm: (name, title) => ({ name, title: `${title}${counted}`, seed }),
      }),
    );
  }
  return out;
}

export const studentRoles = ['distilled', 'alone'] as const;
export type StudentRole = (typeof studentRoles)[number];

/** The student of one seed. */
export interface Student {
  readonly seed: number;
  readonly params: Params<NDArray>;
  readonly seconds: number;
}

/** Students by role, one per seed. */
export type Students<T = Student> = Record<StudentRole, T[]>;

/** How the students of each role are trained; without `alone` there are none without a teacher. */
export interface StudentPlans<T> {
  readonly distilled: (named: NamedArm, probe: boolean) => Promise<T>;
  readonly alone?: (named: NamedArm) => Promise<T>;
}

/** For every seed the distilled student, then the same one without a teacher where the recipe wants that baseline. */
export async function trainStudents<T>(
  ctx: RunContext,
  plans: StudentPlans<T>,
): Promise<Students<T & { seed: number }>> {
  const out: Students<T & { seed: number }> = { distilled: [], alone: [] };
  await eachSeed(ctx, async ({ seed, probe, arm }) => {
    out.distilled.push({ seed, ...(await plans.distilled(arm('distilled', 'student'), probe)) });
    if (!plans.alone || !ctx.recipe.evaluate.baselines.withoutTeacher) return;
    out.alone.push({ seed, ...(await plans.alone(arm('alone', 'without teacher'))) });
  });
  return out;
}

/** An arm but for what its seed decides. Its watch is opened anew for every training. */
export interface ArmPlan extends Omit<Arm, 'name' | 'title' | 'seed' | 'watch'> {
  readonly watch?: () => Promise<Arm['watch']>;
}

/** Trains one arm of a plan. */
export const trainPlanned = async (
  ctx: RunContext,
  plan: ArmPlan,
  named: NamedArm,
  probe = false,
): Promise<TrainedArm> =>
  trainArm(ctx, { ...plan, ...named, probe: probe && plan.probe, watch: await plan.watch?.() });

/** What tables say of the teacher beside its figures. */
export const teacherFacts = (teacher: {
  readonly name: string;
  readonly parameters?: number;
  readonly seconds?: number;
}) => ({
  id: 'teacher' as const,
  role: 'teacher' as const,
  name: 'Teacher',
  about: teacher.name,
  seeds: ['-'],
  parameters: teacher.parameters,
  trainSeconds: teacher.seconds,
});

/** What tables say of the students of one role beside their figures. */
export function studentFacts(
  { recipe }: RunContext,
  role: StudentRole,
  students: readonly Pick<Student, 'seed' | 'seconds'>[],
  model: Pick<AnyModel, 'params'>,
): Pick<ReportArm, 'id' | 'name' | 'about' | 'seeds' | 'parameters' | 'trainSeconds'> & {
  role: StudentRole;
} {
  return {
    id: role,
    role,
    name: role === 'distilled' ? 'Student, distilled' : 'Student, no teacher',
    about: String(recipe.student.architecture ?? recipe.student.from),
    seeds: students.map((s) => s.seed),
    parameters: countParams(model.params),
    trainSeconds: students.reduce((sum, s) => sum + s.seconds, 0) / students.length,
  };
}
