import pc from 'picocolors';

/** Where a command reads and writes; tests pass their own. */
export interface Io {
  stdout: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  stderr: { write(text: string): unknown };
  stdin: { isTTY?: boolean };
  env: Record<string, string | undefined>;
  cwd: string;
}

/** Flags every command takes. */
export interface CommonFlags {
  json?: boolean;
}

export interface Output {
  /** True when the result is to be JSON on standard output. */
  json: boolean;
  /** A line for people; nothing with --json. */
  line(text?: string): void;
  /** The result: JSON with --json, else the text. */
  result(value: unknown, text: () => string): void;
  /** A remark on standard error. */
  note(text: string): void;
  colour: ReturnType<typeof pc.createColors>;
}

/** Output of a command, by its flags. */
export function createOutput(io: Io, flags: CommonFlags): Output {
  const json = flags.json ?? false;
  const colour = pc.createColors(Boolean(io.stdout.isTTY) && io.env.NO_COLOR === undefined);
  return {
    json,
    colour,
    line: (text = '') => {
      if (!json) io.stdout.write(`${text}\n`);
    },
    result: (value, text) => {
      io.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
    },
    note: (text) => {
      io.stderr.write(`${text}\n`);
    },
  };
}

/** A whole number with its thousands parted, `12,345`; the first use of toLocaleString alone takes ten milliseconds. */
export const whole = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

/** Columns of text, each as wide as its widest cell; the header is underlined. Numbers are right-aligned. */
export function textTable(header: string[], rows: (string | number)[][]): string {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, c) => Math.max(...cells.map((row) => row[c].length)));
  const right = header.map(
    (_, c) =>
      rows.length > 0 &&
      rows.every((row) => typeof row[c] === 'number' || /^[\d.,]+( ?%)?$|^–?$/.test(String(row[c]))),
  );
  const draw = (row: string[]): string =>
    row
      .map((cell, c) => (right[c] ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ')
      .trimEnd();
  return [draw(cells[0]), widths.map((w) => '-'.repeat(w)).join('  '), ...cells.slice(1).map(draw)].join(
    '\n',
  );
}
