// Compiles src/ to dist/ and makes the command executable. Runs at `npm ci` through `prepare`, and once more when npx
// first links the clone: what is compiled already is not compiled again.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const main = `${root}dist/cli/main.js`;
const stamp = `${root}dist/.sources`;

/** Hash of everything that decides what dist/ holds. */
function sources() {
  const hash = createHash('sha256');
  const files = readdirSync(`${root}src`, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile())
    .map((f) => `${f.parentPath ?? f.path}/${f.name}`);
  for (const file of [...files.sort(), `${root}tsconfig.json`, `${root}tsconfig.build.json`, tsc])
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
}

const now = sources();
if (existsSync(main) && existsSync(stamp) && readFileSync(stamp, 'utf8') === now) {
  console.log('dist/ is up to date');
} else {
  rmSync(`${root}dist`, { recursive: true, force: true });
  execFileSync(process.execPath, [tsc, '-p', `${root}tsconfig.build.json`], { stdio: 'inherit', cwd: root });
  if (existsSync(main)) chmodSync(main, 0o755);
  writeFileSync(stamp, now);
}
