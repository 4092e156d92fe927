/**
 * What runs before code that a model wrote, inside its process: takes the code from standard input, closes what Node's
 * permission model leaves open (network, signals to other processes, raw bindings), runs code and tests, and says so at the
 * end. Plain CommonJS, passed with `-e`, so that nothing of it lies in the directory the code can read.
 */
export const HARNESS = String.raw`'use strict';
{
  const fs = require('node:fs');
  const vm = require('node:vm');
  const given = JSON.parse(fs.readFileSync(0, 'utf8'));
  const { writeSync } = fs;
  const exit = process.exit.bind(process);
  // the shell that sets the caps leaves a PWD behind
  for (const k of Object.keys(process.env)) delete process.env[k];
  const deny = (what) => function denied() {
    throw Object.assign(new Error(what + ' is not available here'), { code: 'ERR_ACCESS_DENIED' });
  };
  const lock = (owner, key, value) => {
    if (owner) Object.defineProperty(owner, key, { value, writable: false, configurable: false });
  };
  const shut = (owner, keys, what) => { for (const k of keys) lock(owner, k, deny(what)); };
  const functions = (o) => Object.getOwnPropertyNames(o).filter((k) => k !== 'constructor' && typeof o[k] === 'function');

  const net = require('node:net');
  shut(net.Socket.prototype, ['connect'], 'the network');
  shut(net.Server.prototype, ['listen'], 'the network');
  shut(net, ['connect', 'createConnection', 'createServer', '_createServerHandle'], 'the network');
  const dgram = require('node:dgram');
  shut(dgram.Socket.prototype, ['bind', 'connect', 'send', 'sendto', 'addMembership'], 'the network');
  shut(dgram, ['createSocket', '_createSocketHandle'], 'the network');
  const dns = require('node:dns');
  for (const o of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype])
    shut(o, functions(o).filter((k) => !/Resolver/.test(k)), 'the network');
  for (const name of ['http', 'https', 'http2', 'tls']) {
    const m = require('node:' + name);
    shut(m, ['connect', 'request', 'get', 'createServer', 'createSecureServer'].filter((k) => k in m), 'the network');
  }
  for (const k of ['fetch', 'WebSocket', 'EventSource']) lock(globalThis, k, undefined);
  const inspector = require('node:inspector');
  shut(inspector, ['open', 'waitForDebugger'], 'the inspector');
  shut(require('node:v8'), ['setFlagsFromString', 'writeHeapSnapshot', 'startupSnapshot'], 'this');
  shut(process, ['kill', '_kill', '_debugProcess', '_debugEnd', '_startProfilerIdleNotifier', 'binding', '_linkedBinding', 'dlopen', 'setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups', 'abort'], 'this');
  lock(process, 'report', undefined);
  lock(process, 'mainModule', undefined);
  lock(globalThis, 'assert', require('node:assert/strict'));
  const modules = require('node:module');
  modules.syncBuiltinESMExports();
  shut(modules, ['register', 'registerHooks', 'enableCompileCache'].filter((k) => k in modules), 'this');

  (async () => {
    await vm.runInThisContext(given.code, { filename: 'answer.js' });
    await vm.runInThisContext('(async () => {' + given.tests + '\n})()', { filename: 'tests.js' });
    process.exitCode = 0;
    writeSync(1, given.nonce);
    exit(0);
  })().catch((error) => {
    try { writeSync(2, String((error && error.stack) || error).slice(0, 4000)); } catch {}
    exit(1);
  });
}
`;
