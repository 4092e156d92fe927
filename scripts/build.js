// Compiles src/ to dist/ and makes the command executable. Runs at `npm ci` through `prepare`.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
rmSync(`${root}dist`, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', `${root}tsconfig.build.json`], { stdio: 'inherit', cwd: root });
const main = `${root}dist/cli/main.js`;
if (existsSync(main)) chmodSync(main, 0o755);
// In a clone `npx decant` finds this link; without it npx would install the clone into a cache of its own first.
const bin = `${root}node_modules/.bin`;
if (existsSync(bin) && process.platform !== 'win32') {
  rmSync(`${bin}/decant`, { force: true });
  symlinkSync('../../dist/cli/main.js', `${bin}/decant`);
}
