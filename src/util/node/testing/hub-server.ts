import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a test wants to go wrong. Each request that a fault fits uses it up. */
export interface Fault {
  /** Part of the path. */
  path: string;
  /** Send this many bytes of the body, then cut the connection. */
  cutAfter?: number;
  /** Answer with this status instead. */
  status?: number;
  /** Answer a range with the whole file and status 200. */
  ignoreRange?: boolean;
  /** Send other bytes of the same length. */
  garble?: boolean;
  /** Claim this length in Content-Range and Content-Length. */
  claimLength?: number;
  /** Send nothing and keep the connection open. */
  hang?: boolean;
  /** How often. Default 1. */
  times?: number;
}

export interface HubServer {
  url: string;
  /** Every request as `METHOD path`, with its range where it has one. */
  log: { line: string; origin: 'hub' | 'cdn'; authorization?: string; ifNoneMatch?: string }[];
  faults: Fault[];
  /** The token that private repositories ask for. */
  token?: string;
  commit: string;
  close(): Promise<void>;
}

const sha1Blob = (b: Buffer): string =>
  createHash('sha1').update(`blob ${b.length}\0`).update(b).digest('hex');
const sha256 = (b: Buffer): string => createHash('sha256').update(b).digest('hex');

/**
 * A server on the loopback that speaks the hub's protocol for one repository: revision and tree API with ETags, resolve
 * with ranges, large files redirected to a second server (another origin, as the hub's content network is).
 */
export async function startHubServer(
  name: string,
  files: Record<string, Buffer>,
  large: string[],
): Promise<HubServer> {
  const state: Omit<HubServer, 'url' | 'close'> = { log: [], faults: [], commit: 'c0ffee'.padEnd(40, '0') };
  let cdnUrl = '';
  const servers: Server[] = [];

  const listen = async (origin: 'hub' | 'cdn'): Promise<string> => {
    const server = createServer((req, res) => {
      const range = req.headers.range;
      state.log.push({
        line: `${req.method} ${req.url}${range ? ` ${range}` : ''}`,
        origin,
        ...(req.headers.authorization ? { authorization: req.headers.authorization } : {}),
        ...(req.headers['if-none-match'] ? { ifNoneMatch: req.headers['if-none-match'] } : {}),
      });
      if (origin === 'hub') hub(req, res);
      else
        sendFile(
          req,
          res,
          decodeURIComponent(req.url!.slice('/blob/'.length).split('?')[0]),
          takeFault(req.url!),
        );
    });
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  const takeFault = (path: string): Fault | undefined => {
    const fault = state.faults.find((f) => path.includes(f.path) && (f.times ?? 1) > 0);
    if (fault) fault.times = (fault.times ?? 1) - 1;
    return fault;
  };

  const hub = (req: IncomingMessage, res: ServerResponse) => {
    const path = decodeURIComponent(req.url!.split('?')[0]);
    const isProbe = req.headers.range === 'bytes=0-0';
    const fault =
      isProbe && !path.startsWith('/api/') && large.some((f) => path.endsWith(f))
        ? undefined
        : takeFault(req.url!);
    if (fault?.hang) return;
    if (fault?.status !== undefined) return fail(res, fault.status, 'as the test wants');
    if (state.token !== undefined && req.headers.authorization !== `Bearer ${state.token}`) {
      return fail(res, 401, 'Invalid username or password.');
    }
    const revision = new RegExp(`^/api/(?:models|datasets)/${name}/revision/(.+)$`).exec(path)?.[1];
    if (revision !== undefined) {
      if (revision !== 'main' && revision !== 'v1/beta' && revision !== state.commit)
        return fail(res, 404, 'Revision not found');
      return json(req, res, { _id: '1', id: name, sha: state.commit });
    }
    if (new RegExp(`^/api/(models|datasets)/${name}/tree/${state.commit}$`).test(path)) return tree(req, res);
    const file = new RegExp(`^/(?:datasets/)?${name}/resolve/${state.commit}/(.+)$`).exec(path)?.[1];
    const body = file === undefined ? undefined : files[file];
    if (file === undefined || body === undefined) {
      res.setHeader('X-Error-Code', 'EntryNotFound');
      return fail(res, 404, 'Entry not found');
    }
    if (large.includes(file)) {
      res.writeHead(302, {
        location: `${cdnUrl}/blob/${encodeURIComponent(file)}?signature=1`,
        'x-linked-size': String(body.length),
        'x-linked-etag': `"${sha256(body)}"`,
        'x-repo-commit': state.commit,
      });
      res.end();
      return;
    }
    sendFile(req, res, file, fault);
  };

  /** Two pages, joined by a Link header. */
  const tree = (req: IncomingMessage, res: ServerResponse) => {
    const entries = Object.entries(files).map(([path, b]) => ({
      type: 'file',
      path,
      size: b.length,
      oid: large.includes(path) ? sha1Blob(Buffer.from(`pointer to ${path}`)) : sha1Blob(b),
      ...(large.includes(path) ? { lfs: { oid: sha256(b), size: b.length, pointerSize: 130 } } : {}),
    }));
    const second = req.url!.includes('cursor=2');
    const half = Math.ceil(entries.length / 2);
    if (!second) res.setHeader('Link', `<http://${req.headers.host}${req.url}&cursor=2>; rel="next"`);
    json(
      req,
      res,
      second
        ? entries.slice(half)
        : [{ type: 'directory', path: 'onnx', size: 0, oid: '0' }, ...entries.slice(0, half)],
    );
  };

  const sendFile = (req: IncomingMessage, res: ServerResponse, file: string, fault: Fault | undefined) => {
    if (fault?.hang) return;
    if (fault?.status !== undefined) return fail(res, fault.status, 'as the test wants');
    const whole = files[file];
    const range = fault?.ignoreRange ? undefined : /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '');
    const from = range ? Number(range[1]) : 0;
    const to = range?.[2] ? Math.min(Number(range[2]) + 1, whole.length) : whole.length;
    if (range && from >= whole.length) return fail(res, 416, 'out of range');
    let body = Buffer.from(whole.subarray(from, to));
    if (fault?.garble) body = Buffer.from(body.map((b) => b ^ 0xff));
    const total = fault?.claimLength ?? whole.length;
    res.writeHead(range ? 206 : 200, {
      etag: `"${large.includes(file) ? sha256(whole) : sha1Blob(whole)}"`,
      'content-length': String(fault?.claimLength !== undefined && !range ? total : body.length),
      'accept-ranges': 'bytes',
      ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${total}` } : {}),
    });
    if (fault?.cutAfter === undefined) {
      res.end(body);
      return;
    }
    res.write(body.subarray(0, fault.cutAfter), () => setTimeout(() => res.destroy(), 60));
  };

  cdnUrl = await listen('cdn');
  const url = await listen('hub');
  const close = async (): Promise<void> => {
    for (const s of servers) {
      s.closeAllConnections();
      await new Promise((done) => s.close(done));
    }
  };
  return Object.assign(state, { url, close });
}

function json(req: IncomingMessage, res: ServerResponse, value: unknown): void {
  const body = JSON.stringify(value);
  const etag = `W/"${createHash('sha1').update(body).digest('hex')}"`;
  if (req.headers['if-none-match'] === etag) {
    res.writeHead(304, { etag }).end();
    return;
  }
  res.writeHead(200, { 'content-type': 'application/json', etag }).end(body);
}

function fail(res: ServerResponse, status: number, error: string): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}
