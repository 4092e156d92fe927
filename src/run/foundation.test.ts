import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRunJournal, readEvents, readMetrics } from './events.ts';
import { openRun, runFolder } from './folder.ts';
import { listenForInterrupt } from './interrupt.ts';
import { openLog, redact } from './log.ts';
import { createProgress, duration } from './progress.ts';
import { openStepJournal } from './step-journal.ts';

const temporary = (): string => mkdtempSync(join(tmpdir(), 'decant-run-'));

describe('openRun', () => {
  it('takes new folders, resumes equal recipes, and says why it refuses others', () => {
    const path = join(temporary(), 'run');
    const first = openRun(path, 'a: 1\nb: 2\n');
    expect(first.resumed).toBe(false);
    expect(() => openRun(path, 'a: 1\nb: 2\n', { resume: true })).toThrow(/in use by process/);
    openRunJournal(first.folder).metric({
      arm: 'student',
      seed: 1,
      step: 1,
      split: 'train',
      values: { kd: 1 },
    });
    first.close();
    expect(() => openRun(path, 'a: 1\nb: 2\n')).toThrow(/holds this run already.*--resume/);
    expect(() => openRun(path, 'a: 1\nb: 3\n', { resume: true })).toThrow(
      /another recipe.*line 2: b: 2 -> b: 3/,
    );
    const again = openRun(path, 'a: 1\nb: 2\n', { resume: true });
    expect(again.resumed).toBe(true);
    again.close();
    const full = temporary();
    writeFileSync(join(full, 'thesis.doc'), '');
    expect(() => openRun(full, 'a: 1')).toThrow(/not empty and holds no run/);
    expect(() => openRun(join(full, 'none'), 'a: 1', { resume: true })).toThrow(/no run to resume/);
  });
  it('leaves the folder of a run that made nothing to the next one', () => {
    const path = join(temporary(), 'run');
    const failed = openRun(path, 'data: misspelt\n');
    openRunJournal(failed.folder).close();
    failed.close();
    const next = openRun(path, 'data: right\n');
    expect(next.resumed).toBe(false);
    expect(readFileSync(next.folder.recipe, 'utf8')).toBe('data: right\n');
    next.close();
  });
  it('keeps arm and seed from leaving the folder', () => {
    const f = runFolder('/runs/x');
    expect(f.checkpoints('../evil', 3)).toBe('/runs/x/checkpoints/..-evil-3');
  });
});

describe('run journal', () => {
  it('numbers events across sessions and takes the last row of a repeated step', () => {
    const f = runFolder(temporary());
    const a = openRunJournal(f);
    a.event('started', { seq: 99, host: 'h' });
    a.metric({ arm: 'student', seed: 1, step: 10, split: 'train', values: { kd: 2 } });
    a.metric({ arm: 'student', seed: 1, step: 20, split: 'train', values: { kd: 1 } });
    a.close();
    truncateSync(f.events, readFileSync(f.events).length - 3);
    const b = openRunJournal(f);
    b.event('started');
    b.metric({ arm: 'student', seed: 1, step: 20, split: 'train', values: { kd: 1.5 } });
    b.sync();
    b.close();
    expect(readEvents(f.events).map((e) => [e.seq, e.kind])).toEqual([
      [1, 'recovered'],
      [2, 'started'],
    ]);
    expect(readMetrics(f.metrics).map((r) => [r.step, r.values.kd])).toEqual([
      [10, 2],
      [20, 1.5],
    ]);
  });
});

describe('step journal', () => {
  const open = (root: string) => {
    const f = runFolder(root);
    return openStepJournal(f.steps, { artifacts: f.artifacts, root });
  };
  it('runs each step once, over sessions, and again when input, version or files change', async () => {
    const root = temporary();
    const ran: string[] = [];
    const make = (j: ReturnType<typeof open>, n: number, version = 1) =>
      j.step({
        name: 'write',
        input: { n },
        version,
        run: () => {
          ran.push(`${n}/${version}`);
          writeFileSync(join(root, 'out.txt'), String(n));
          return { n, list: Array.from({ length: n }, (_, i) => i) };
        },
        files: () => ['out.txt'],
      });
    let j = open(root);
    expect((await make(j, 2)).list).toEqual([0, 1]);
    expect((await make(j, 2)).n).toBe(2);
    expect(ran).toEqual(['2/1']);
    j.close();
    j = open(root);
    await make(j, 2);
    expect(ran).toEqual(['2/1']);
    await make(j, 2, 2);
    writeFileSync(join(root, 'out.txt'), 'changed');
    await make(j, 2, 2);
    expect(ran).toEqual(['2/1', '2/2', '2/2']);
    expect(j.has('write', { n: 2 })).toBe(true);
    expect(j.has('write', { n: 3 })).toBe(false);
    j.close();
  });
  it('keeps large outputs beside the journal and repeats the step when they are damaged', async () => {
    const root = temporary();
    const j = open(root);
    let runs = 0;
    const big = () =>
      j.step({ name: 'big', input: null, run: () => ({ text: 'x'.repeat(200_000), runs: ++runs }) });
    expect((await big()).runs).toBe(1);
    expect((await big()).text).toHaveLength(200_000);
    expect(runs).toBe(1);
    expect(readFileSync(runFolder(root).steps).length).toBeLessThan(1000);
    rmSync(runFolder(root).artifacts, { recursive: true });
    expect((await big()).runs).toBe(2);
    j.close();
  });
  it('loses only the step in work when the file is cut anywhere', async () => {
    const whole = temporary();
    const j = open(whole);
    for (let n = 0; n < 3; n++) await j.step({ name: 's', input: n, run: () => n * 10 });
    j.close();
    const bytes = readFileSync(runFolder(whole).steps);
    for (let cut = 0; cut <= bytes.length; cut += 11) {
      const root = temporary();
      writeFileSync(runFolder(root).steps, bytes.subarray(0, cut));
      const again = open(root);
      let ran = 0;
      for (let n = 0; n < 3; n++)
        expect(await again.step({ name: 's', input: n, run: () => ++ran && n * 10 })).toBe(n * 10);
      expect(ran).toBe(3 - bytes.subarray(0, cut).filter((b) => b === 10).length);
      again.close();
      rmSync(root, { recursive: true });
    }
  });
  it('does not write a step that failed', async () => {
    const j = open(temporary());
    await expect(j.step({ name: 'f', input: 1, run: () => Promise.reject(new Error('no')) })).rejects.toThrow(
      'no',
    );
    expect(j.records).toEqual([]);
    j.close();
  });
});

describe('interrupt', () => {
  it('asks once, ends at the second signal', () => {
    const said: string[] = [];
    const codes: number[] = [];
    const i = listenForInterrupt({ say: (m) => said.push(m), exit: (c) => codes.push(c) });
    i.check();
    process.emit('SIGINT');
    expect(i.requested).toBe(true);
    expect(i.signal.aborted).toBe(true);
    expect(() => i.check()).toThrow(/stopped on request.*decant resume/);
    expect([said.length, codes.length]).toEqual([1, 0]);
    process.emit('SIGINT');
    expect(codes).toEqual([130]);
    i.dispose();
    expect(process.listenerCount('SIGINT')).toBe(0);
  });
});

describe('log', () => {
  it('writes no secret, by name, by shape, or by value', () => {
    const path = join(temporary(), 'logs', 'run.log');
    const log = openLog(path, { secrets: ['hunter2-very-secret'] });
    log.info(
      {
        headers: { Authorization: 'Bearer abcdefgh12345678' },
        apiKey: 'k',
        usage: { max_tokens: 5, totalTokens: 9 },
      },
      'sent',
    );
    log.error(
      new Error('401 for https://me:pw@host/v1?api_key=zzz with sk-abcdefghijklmnop and hunter2-very-secret'),
    );
    log.info('hf_abcdefghijklmnopqrstuv %s', 'hunter2-very-secret');
    log.close();
    const text = readFileSync(path, 'utf8');
    for (const secret of ['abcdefgh12345678', '"k"', 'me:pw', 'zzz', 'sk-abcdef', 'hunter2', 'hf_abcdef'])
      expect(text).not.toContain(secret);
    const lines = text
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(lines[0]).toMatchObject({ usage: { max_tokens: 5, totalTokens: 9 }, msg: 'sent' });
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatchObject({
      error: { type: 'Error' },
      msg: '401 for https://[redacted]@host/v1?api_key=[redacted] with sk-[redacted] and [redacted]',
    });
  });
  it('copies without touching the original', () => {
    const value = { password: 'x', list: [{ tokenizer: 't', access_token: 'y' }], n: 1 };
    expect(redact(value)).toEqual({
      password: '[redacted]',
      list: [{ tokenizer: 't', access_token: '[redacted]' }],
      n: 1,
    });
    expect(value.password).toBe('x');
  });
});

describe('progress', () => {
  const stream = () => {
    const lines: string[] = [];
    return {
      lines,
      stream: { isTTY: false, write: (t: string) => lines.push(t) } as unknown as NodeJS.WriteStream,
    };
  };
  it('writes short plain lines where there is no terminal', () => {
    const { lines, stream: s } = stream();
    let time = 0;
    const progress = createProgress({ stream: s, mode: 'lines', now: () => time });
    const task = progress.task('distil seed 1', 1000);
    for (let step = 1; step <= 1000; step++) {
      time += 50;
      task.update({ done: step, terms: { kd: 0.5, ce: 1e-5 } });
    }
    task.finish('accuracy 0.91');
    expect(lines).toHaveLength(7); // start, one each 10 of 50 seconds, end
    expect(lines[1]).toBe('distil seed 1: 200/1,000  kd 0.5000  ce 1.00e-5  20 steps/s  40 s left\n');
    expect(lines[6]).toBe('distil seed 1: done  accuracy 0.91  50 s\n');
  });
  it('draws a bar on a terminal and nothing when silent', () => {
    const { lines, stream: s } = stream();
    Object.assign(s, {
      isTTY: true,
      columns: 120,
      cursorTo() {},
      moveCursor() {},
      clearLine() {},
      clearScreenDown() {},
    });
    const progress = createProgress({ stream: s, mode: 'bar' });
    const task = progress.task('train', 10);
    task.update({ done: 5, terms: { loss: 2 } });
    task.finish();
    progress.close();
    expect(lines.join('')).toContain('█');
    const silent = stream();
    createProgress({ stream: silent.stream, mode: 'silent' }).task('x', 3).finish();
    expect(silent.lines).toEqual([]);
  });
  it('writes durations as people do', () => {
    expect([0.42, 42.4, 185, 7620].map(duration)).toEqual(['0.4 s', '42 s', '3 m 05 s', '2 h 07 m']);
  });
});
