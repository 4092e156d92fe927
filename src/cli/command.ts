import type { Command } from 'commander';
import type { Io } from './io.ts';

/** A command of the program: adds itself with its flags and help; its implementation is imported when it runs. */
export type AddCommand = (program: Command, io: Io) => Command;

/** Appends examples to a command's help. */
export const examples = (...lines: [command: string, what: string][]): string => {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines.map(([command, what]) => `  $ ${command.padEnd(width)}  ${what}`).join('\n')}`;
};

/** For a flag that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** For a flag that takes a number of 0 or more. */
export const number = (value: string): number => {
  if (!/^\d*\.?\d+$/.test(value)) throw new TypeError(`${JSON.stringify(value)} is not a number`);
  return Number(value);
};

/** For a flag that takes a whole number. */
export const wholeNumber = (value: string): number => {
  if (!/^\d+$/.test(value)) throw new TypeError(`${JSON.stringify(value)} is not a whole number`);
  return Number(value);
};
