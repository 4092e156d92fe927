import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runUntrusted, type SandboxOptions } from './sandbox.ts';

const outside = mkdtempSync(join(tmpdir(), 'decant-outside-'));
const secret = join(outside, 'secret.txt');
let hits = 0;
const server = createServer((_, reply) => {
  hits++;
  reply.end('hello');
});
beforeAll(async () => {
  writeFileSync(secret, 'PLANTED-SECRET');
  process.env.DECANT_PLANTED = 'PLANTED-SECRET';
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  server.close();
  delete process.env.DECANT_PLANTED;
  rmSync(outside, { recursive: true, force: true });
});
const port = (): number => (server.address() as AddressInfo).port;
const run = (code: string, tests = '', options: SandboxOptions = {}) =>
  runUntrusted(code, tests, { seconds: 20, isolation: 'process', ...options });
/** What comes of attempts, each on its own inside one process: the value, or why not. */
const told = async (attempts: readonly string[], options: SandboxOptions = {}): Promise<string[]> => {
  const tries = attempts.map(
    (a) =>
      `try { got.push(String(await Promise.race([(async () => { ${a} })(), new Promise((_, no) => setTimeout(() => no(new Error('late')), 3000))]))); } catch (e) { got.push('denied: ' + (e.code || e.message)); }`,
  );
  const { output } = await run(
    '',
    `const got = []; ${tries.join(' ')} throw new Error('GOT' + JSON.stringify(got) + 'END');`,
    options,
  );
  return JSON.parse(/GOT(\[.*\])END/s.exec(output)?.[1] ?? JSON.stringify([output])) as string[];
};

describe('code that a model wrote', () => {
  it('passes when its tests pass, fails when they do not', async () => {
    const add = 'const add = (a, b) => a + b;';
    expect((await run(add, 'assert.equal(add(2, 3), 5);')).outcome).toBe('passed');
    const wrong = await run('const add = (a, b) => a - b;', 'assert.equal(add(2, 3), 5);');
    expect(wrong.outcome).toBe('failed');
    expect(wrong.output).toMatch(/5/);
    expect((await run('syntax error here', '')).outcome).toBe('failed');
    expect((await run('async function f() { return 7; }', 'assert.equal(await f(), 7);')).outcome).toBe(
      'passed',
    );
  });

  it('does not pass by ending the process before its tests', async () => {
    expect((await run('process.exit(0)', 'assert.equal(1, 2);')).outcome).toBe('failed');
    expect((await run('console.log("passed"); process.reallyExit(0)', 'assert.equal(1, 2);')).outcome).toBe(
      'failed',
    );
  });

  it('ends endless code, floods and eaters of memory', async () => {
    const began = performance.now();
    expect((await run('for (;;) {}', '', { seconds: 1.5 })).outcome).toBe('timeout');
    expect(performance.now() - began).toBeLessThan(15_000);
    expect((await run('', 'await new Promise((r) => setTimeout(r, 60000));', { seconds: 1.5 })).outcome).toBe(
      'timeout',
    );
    expect((await run('for (;;) console.log("x".repeat(1000))', '', { output: 10_000 })).outcome).toBe(
      'output',
    );
    const heap = await run('const a = []; for (;;) a.push({ x: [a.length] });', '', { megabytes: 32 });
    expect(['memory', 'failed']).toContain(heap.outcome);
    if (process.platform === 'linux') {
      const buffers = 'const a = []; for (let i = 0; i < 40; i++) a.push(Buffer.alloc(64 << 20, 1));';
      expect((await run(buffers, '', { megabytes: 64 })).outcome).not.toBe('passed');
    }
  });

  it('sees no environment and no file but its own', async () => {
    const fs = "const fs = require('node:fs');";
    const attempts = [
      `return fs.readFileSync(${JSON.stringify(secret)}, 'utf8')`,
      `return fs.readFileSync('/etc/passwd', 'utf8')`,
      `return fs.readdirSync('/')`,
      `return fs.readFileSync('/proc/self/environ', 'utf8')`,
      `return fs.readFileSync('../' + ${JSON.stringify(outside.split('/').at(-1))} + '/secret.txt', 'utf8')`,
      `fs.symlinkSync(${JSON.stringify(secret)}, 'link'); return fs.readFileSync('link', 'utf8')`,
      `fs.linkSync(${JSON.stringify(secret)}, 'link2'); return fs.readFileSync('link2', 'utf8')`,
      `return fs.readFileSync(Buffer.from(${JSON.stringify(secret)}), 'utf8')`,
      `return await fs.promises.readFile(new URL(${JSON.stringify(`file://${secret}`)}), 'utf8')`,
      `return fs.opendirSync('/').readSync().name`,
      `fs.writeFileSync(${JSON.stringify(join(outside, 'made.txt'))}, 'x'); return 'written'`,
      `fs.rmSync(${JSON.stringify(secret)}); return 'removed'`,
    ].map((a) => `${fs} ${a}`);
    const got = await told(attempts);
    expect(got).toHaveLength(attempts.length);
    expect(got.filter((g) => !g.startsWith('denied'))).toEqual([]);
    expect(existsSync(join(outside, 'made.txt'))).toBe(false);
    expect(existsSync(secret)).toBe(true);
    expect(
      await told([
        'return Object.keys(process.env).length',
        `${fs} fs.writeFileSync('own.txt', 'mine'); return fs.readFileSync('own.txt', 'utf8')`,
      ]),
    ).toEqual(['0', 'mine']);
  });

  it('starts no process, thread or debugger, and signals nobody', async () => {
    const got = await told([
      `return require('node:child_process').execSync('id').toString()`,
      `return require('node:child_process').spawnSync('/bin/sh', ['-c', 'id']).stdout.toString()`,
      `return new (require('node:worker_threads').Worker)('1', { eval: true }).threadId`,
      `return process.binding('spawn_sync')`,
      `return process.dlopen({ exports: {} }, '/nothing.node')`,
      `require('node:inspector').open(); return 'open'`,
      `process.kill(${process.pid}, 0); return 'signalled'`,
      `process._debugProcess(${process.pid}); return 'signalled'`,
      `require('node:v8').setFlagsFromString('--max-old-space-size=9999'); return 'set'`,
    ]);
    expect(got).toHaveLength(9);
    expect(got.filter((g) => !g.startsWith('denied'))).toEqual([]);
  });

  it('finds no way round the closed doors: links, /proc, dynamic imports, loaders, dumps', async () => {
    const fs = "const fs = require('node:fs');";
    const target = JSON.stringify(secret);
    const made = JSON.stringify(join(outside, 'dump'));
    const attempts = [
      `${fs} fs.symlinkSync('/', 'root'); return fs.readdirSync('root')`,
      `${fs} fs.symlinkSync(${JSON.stringify(outside)}, 'dir'); return fs.readFileSync('dir/secret.txt', 'utf8')`,
      `${fs} fs.mkdirSync('a'); fs.symlinkSync('a', 'b'); fs.rmdirSync('a'); fs.symlinkSync(${target}, 'a'); return fs.readFileSync('b', 'utf8')`,
      `${fs} return fs.readFileSync('/proc/self/root' + ${target}, 'utf8')`,
      `${fs} return fs.readFileSync('/proc/1/environ', 'utf8')`,
      `${fs} return fs.readFileSync('/proc/self/cmdline', 'utf8')`,
      `${fs} return fs.readdirSync('/proc/self/fd').join()`,
      `${fs} return fs.readlinkSync('/proc/self/exe')`,
      `${fs} fs.writeFileSync('/proc/self/mem', 'x'); return 'written'`,
      `${fs} fs.writeFileSync('/dev/shm/decant-escape', 'x'); return 'written'`,
      `${fs} fs.cpSync(${target}, 'copy.txt'); return fs.readFileSync('copy.txt', 'utf8')`,
      `${fs} fs.renameSync(${target}, 'mine.txt'); return 'moved'`,
      `${fs} fs.createReadStream(${target}).on('error', () => undefined); const [x] = await Promise.race([require('node:events').once(fs.createReadStream(${target}), 'data')]); return x`,
      `${fs} return (await fs.openAsBlob(${target})).size`,
      `process.chdir('/'); return require('node:fs').readFileSync('etc/passwd', 'utf8')`,
      `process.loadEnvFile('/etc/environment'); return 'loaded'`,
      `return (await (0, eval)("import('node:child_process')")).execSync('id').toString()`,
      `return (await new Function("return import('child_process')")()).spawnSync('id').pid || (() => { throw new Error('no process') })()`,
      `return require('node:module')._load('child_process').execFileSync('/bin/sh', ['-c', 'id']).toString()`,
      `return process.getBuiltinModule('child_process').execSync('id').toString()`,
      `return require('node:vm').runInNewContext('this.constructor.constructor("return process")().binding("spawn_sync")') && 'bound'`,
      `return process._linkedBinding('spawn_sync') && 'bound'`,
      `return (0, eval)("internalBinding")('spawn_sync') && 'bound'`,
      `require('node:cluster').fork(); return 'forked'`,
      `const { Worker } = await (0, eval)("import('node:worker_threads')"); return new Worker('require("fs")', { eval: true }).threadId`,
      `process.execve('/bin/sh', ['sh', '-c', 'id']); return 'replaced'`,
      `process.report.writeReport(${made}); return 'written'`,
      `require('node:v8').writeHeapSnapshot(${made}); return 'written'`,
      `new (require('node:wasi').WASI)({ version: 'preview1', preopens: { '/': '/' } }); return 'wasi'`,
      `return new (require('node:sqlite').DatabaseSync)(${made}) && 'opened'`,
    ];
    const got = await told(attempts);
    expect(got).toHaveLength(attempts.length);
    const through = attempts.filter((_, i) => !got[i].startsWith('denied'));
    expect(through).toEqual([]);
    expect(got.join().includes('PLANTED')).toBe(false);
    expect(existsSync(join(outside, 'dump'))).toBe(false);
    expect(existsSync('/dev/shm/decant-escape')).toBe(false);
  }, 60_000);

  it('signals neither its parent, nor its group, nor everybody', async () => {
    const got = await told([
      `process.kill(process.ppid, 'SIGTERM'); return 'signalled'`,
      `process.kill(0, 'SIGTERM'); return 'signalled'`,
      `process.kill(-1, 'SIGKILL'); return 'signalled'`,
      `process.kill(1, 'SIGKILL'); return 'signalled'`,
      `return Object.getPrototypeOf(process).kill ? process.constructor.prototype.kill.call(process, process.ppid, 15) : (() => { throw new Error('none') })()`,
      `Reflect.apply(Reflect.get(process, '_kill') || 0, process, [process.ppid, 15]); return 'signalled'`,
    ]);
    expect(got.filter((g) => !g.startsWith('denied'))).toEqual([]);
  });

  it('ends bombs of timers, promises, workers, strings and WebAssembly memory', async () => {
    const bomb = (code: string) => run(code, '', { seconds: 3, megabytes: 64 });
    const outcomes = await Promise.all(
      [
        'const f = () => { setImmediate(f); setImmediate(f); }; f(); for (;;) await0();'.replace(
          'for (;;) await0();',
          'while (true) f();',
        ),
        'let s = "x"; for (;;) s += s;',
        'const m = []; for (;;) m.push(new WebAssembly.Memory({ initial: 1024, maximum: 1024 }), Buffer.alloc(1 << 26, 1));',
        'const { fork } = require("node:child_process"); for (;;) fork("x");',
        '(function f() { Promise.resolve().then(f).then(f); })(); for (;;);',
      ].map(bomb),
    );
    expect(outcomes.map((o) => o.outcome)).not.toContain('passed');
  }, 60_000);

  it.each(['process', 'strict'] as const)('reaches no network (%s)', async (isolation) => {
    const url = `http://127.0.0.1:${port()}/`;
    const open = (from: string): string =>
      `return await new Promise((ok, no) => ${from}.connect(${port()}, '127.0.0.1', () => ok('open')).on('error', no))`;
    const attempts = [
      `return (await fetch('${url}')).status`,
      `return await new Promise((ok, no) => require('node:http').get('${url}', (r) => ok(r.statusCode)).on('error', no))`,
      open("require('node:net')"),
      open("new (require('node:net').Socket)()"),
      open('(await (0, eval)("import(\'node:net\')"))'),
      open("Function('return process')().getBuiltinModule('net')"),
      open("require('node:module').createRequire('/')('net')"),
      `return (await require('node:dns').promises.lookup('localhost')).address`,
      `require('node:dgram').createSocket('udp4').send('x', 9, '127.0.0.1'); return 'sent'`,
      `return await new Promise((ok, no) => require('node:net').createServer().listen(0, () => ok('listening')).on('error', no))`,
      `return await new Promise((ok, no) => require('node:tls').connect(${port()}, '127.0.0.1', () => ok('open')).on('error', no))`,
      `return await new Promise((ok, no) => require('node:http2').connect('${url}').on('connect', () => ok('open')).on('error', no))`,
      `return await new Promise((ok, no) => { const r = require('node:https').request('${url}', ok); r.on('error', no); r.end(); })`,
      `return await new Promise((ok, no) => new (require('node:http').Agent)().createConnection({ port: ${port()}, host: '127.0.0.1' }, () => ok('open')).on('error', no))`,
      `return await new Promise((ok, no) => require('node:net').connect('/var/run/docker.sock', () => ok('open')).on('error', no))`,
      `return await new Promise((ok, no) => require('node:net').createServer().listen('own.sock', () => ok('listening')).on('error', no))`,
      `return await new Promise((ok) => { new WebSocket('ws://127.0.0.1:${port()}').onopen = () => ok('open') })`,
      `return (await require('node:dns/promises').resolve4('example.org')).join()`,
      `return await new Promise((ok, no) => require('node:dns').resolveTxt('x.example.org', (e, r) => (e ? no(e) : ok(r))))`,
      `require('node:dgram').createSocket({ type: 'udp4' }).bind(0); return 'bound'`,
    ];
    let got: string[];
    try {
      got = await told(attempts, { isolation });
    } catch (error) {
      // machines without user namespaces refuse strict isolation, and say so
      expect((error as Error).message).toMatch(/network shut/);
      return;
    }
    expect(got).toHaveLength(attempts.length);
    expect(got.filter((g) => !g.startsWith('denied'))).toEqual([]);
    expect(hits).toBe(0);
  });
});
