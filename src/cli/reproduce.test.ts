import { describe, expect, it } from 'vitest';
import { reproductions } from '../run/reproduce/index.ts';
import { callCli } from './testing/call.ts';

const decant = (...args: string[]) => callCli(process.cwd(), args);

describe('decant reproduce', () => {
  it('lists what can be reproduced', async () => {
    const { code, out } = await decant('reproduce', '--json');
    expect(code).toBe(0);
    expect((JSON.parse(out) as { slug: string }[]).map((r) => r.slug)).toEqual(Object.keys(reproductions));
    expect((await decant('reproduce')).out).toContain(reproductions.pld.claim);
  });

  it('names what it does not know, and the nearest that it does', async () => {
    const { code, err } = await decant('reproduce', 'tiad');
    expect(code).not.toBe(0);
    expect(err).toMatch(/did you mean "taid"/);
    expect((await decant('reproduce', 'pld', 'taid', '--out', 'x.json')).err).toMatch(/several cards/);
    expect((await decant('reproduce', 'pld', '--seeds', '9')).err).toMatch(/--seeds.*1 to 5/s);
  });

  it('says where a data set comes from when it is not there', async () => {
    const { code, err } = await decant('reproduce', 'pld', '--quick');
    expect(code).not.toBe(0);
    expect(err).toMatch(/DECANT_DATA is not set/);
  });
});
