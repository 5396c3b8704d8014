import type { Writable } from 'node:stream';
import type { CommonResult } from '../contract/result.ts';
import { findingMessage } from '../contract/check-database.ts';
import type { Finding } from '../core/protection/finding.ts';
import type { ProtectionGap } from '../core/protection/verdict.ts';
import { linesOf, terminalColumns, wrapped } from '../core/text/wrapped.ts';

/** What the CLI prints: results on stdout, everything about them on stderr; with `--json`, lines of JSON on stdout. */
export type Output = {
  readonly isJson: boolean;
  /** The result: as lines for people, or as one summary for programs. */
  result(lines: readonly string[], summary: object): void;
  /** For people, on stderr. */
  note(line: string): void;
  /** The same, for what a person opens or copies: it is one line, however narrow the terminal is. */
  link(name: string, target: string): void;
  /** One line that is overwritten; if stderr is no terminal, a line each ten seconds. */
  progress(text: string, facts: object): void;
  endProgress(): void;
  /** A failure is a message of its own for programs. */
  failure(lines: readonly string[], facts: object): void;
};

/** Of the lines that a long one continues on. */
const NOTE_INDENT = '  ';
/** A log of it shows that it is still at work. */
const LINE_INTERVAL_MS = 10_000;
const LINE_CLEAR = '\r\u001b[K';

export function createOutput(isJson: boolean): Output {
  let isProgressShown = false;
  let lineAtMs = Date.now();
  const endProgress = (): void => {
    if (isProgressShown) process.stderr.write(LINE_CLEAR);
    isProgressShown = false;
  };
  const say = (line: string, columns = noteColumns()): void => {
    endProgress();
    printWrapped(process.stderr, line.split('\n'), columns);
  };
  return {
    isJson,
    endProgress,
    note: (line) => say(line),
    link: (name, target) => say(`${name}: ${target}`, Infinity),
    result: (lines, summary) => {
      endProgress();
      if (isJson) printMessage('summary', summary);
      else printWrapped(process.stdout, lines, resultColumns());
    },
    progress: (text, facts) => {
      if (isJson) return printMessage('progress', facts);
      if (!process.stderr.isTTY) {
        if (Date.now() - lineAtMs < LINE_INTERVAL_MS) return;
        lineAtMs = Date.now();
        say(text);
        return;
      }
      isProgressShown = true;
      process.stderr.write(`${LINE_CLEAR}${text.slice(0, Math.max(20, process.stderr.columns - 1))}`);
    },
    failure: (lines, facts) => {
      if (isJson) printMessage('error', facts);
      for (const line of lines) say(line);
    },
  };
}

function printMessage(type: string, facts: object): void {
  process.stdout.write(`${JSON.stringify({ message_type: type, ...facts })}\n`);
}

function printWrapped(stream: NodeJS.WriteStream, lines: readonly string[], columns: number): void {
  for (const line of lines) {
    for (const part of wrapped(line, columns, NOTE_INDENT)) stream.write(`${part}\n`);
  }
}

const RESULT_COLUMNS = 80;
const GAP = '  ';
/** A last column narrower than this is printed below its row instead. */
const LAST_COLUMN_MIN = 20;

/**
 * Columns as wide as their widest cell; figures are aligned to the right. They stand closer if that saves a line. The last column
 * takes what the others leave: longer cells continue on the next line, below their own beginning.
 */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[], columns = resultColumns()): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const closeWidth = widths.reduce((sum, width) => sum + width + 1, -1);
  const gap = closeWidth <= columns && closeWidth + widths.length - 1 > columns ? ' ' : GAP;
  const leadWidth = widths.slice(0, -1).reduce((sum, width) => sum + width + gap.length, 0);
  const room = columns - leadWidth;
  const lastWidth = Math.min(widths.at(-1) ?? 0, Math.max(0, room));
  return [head, ...rows].flatMap((row) => {
    const lead = row.slice(0, -1).map((cell, column) => padded(cell, widths[column] ?? 0) + gap);
    const last = row.at(-1) ?? '';
    if (last.length > room && room < LAST_COLUMN_MIN) return [lead.join('').trimEnd(), ...linesOf(GAP + last, columns, GAP)];
    return linesOf(padded(last, lastWidth).trimEnd(), room).map((line, index) => {
      const before = index === 0 ? lead.join('') : ' '.repeat(leadWidth);
      return (before + line).trimEnd();
    });
  });
}

/** One without a value is left out. */
export type Fact = readonly [name: string, value: string | undefined];

/** `name   value` lines; long values continue on the next line, below their own beginning. */
export function factLines(facts: readonly Fact[], columns = resultColumns()): string[] {
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const width = Math.max(...known.map(([name]) => name.length)) + GAP.length;
  return known.flatMap(([name, value]) =>
    value
      .split('\n')
      .flatMap((line) => linesOf(line, columns - width))
      .map((line, index) => ((index === 0 ? name : '').padEnd(width) + line).trimEnd()),
  );
}

/** `7`, `3,546`, `13.8 kB`; an id of nothing but digits is none. */
const FIGURE = /^[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?( [kMGT]?B)?$/;

function padded(cell: string, width: number): string {
  return FIGURE.test(cell) ? cell.padStart(width) : cell.padEnd(width);
}

/** Of results on stdout: the terminal's columns, or 80 if stdout is no terminal. */
function resultColumns(): number {
  return terminalColumns(process.stdout) ?? RESULT_COLUMNS;
}

/** Of notes and failures on stderr: the terminal's columns; without a terminal each stays one line, which `grep` finds whole. */
function noteColumns(): number {
  return terminalColumns(process.stderr) ?? Infinity;
}

/** Prints as it is, and waits until the reader of the pipe has taken it, so that memory stays flat. @see endQuietlyWithoutReader */
export async function printText(text: string): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdout.write(text, (error) => {
      // A failure is the stream's: it ends the process.
      if (!error) resolve();
    });
  });
}

/** A result as lines for people. */
export type ResultLines<Result> = (result: Result) => string[];

/** An exit code: it is done, and there is something to know. */
export const WITH_WARNINGS = 3;

/** Returns the exit code. */
export function printResult<Result extends CommonResult>(output: Output, resultLines: ResultLines<Result>, result: Result): number {
  const lines = resultLines(result);
  output.result(lines, result);
  for (const warning of result.warnings) {
    const line = `${warning.code}: ${warning.message}`;
    if (!lines.includes(line) && !isSaid(result, warning)) output.note(`warning: ${line}`);
  }
  return result.outcome === 'warnings' || result.outcome === 'skipped' ? WITH_WARNINGS : 0;
}

/** The verdict of `info` begins with its gaps, and `check` is its findings; said again at the end they would hide the other warnings. */
function isSaid(
  result: CommonResult & { protection?: { gaps: readonly ProtectionGap[] }; findings?: readonly Finding[] },
  { message }: CommonResult['warnings'][number],
): boolean {
  const gaps = result.protection?.gaps.map(({ sentence, remedy }) => `${sentence}: ${remedy}`) ?? [];
  return gaps.includes(message) || (result.findings ?? []).some((finding) => findingMessage(finding) === message);
}

/** Of a program whose reader has had enough, as a shell reports it: 128 and the number of SIGPIPE. */
const NO_READER = 141;

/**
 * Ends the process silently when nobody reads its output any more, such as after `| head -1`. One that cleans up on
 * SIGTERM, such as `rstow up`, gets that signal.
 */
export function endQuietlyWithoutReader(...streams: Writable[]): void {
  let isSignalled = false;
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (process.listenerCount('SIGTERM') === 0 && !isSignalled) process.exit(NO_READER);
      if (!isSignalled) process.kill(process.pid, 'SIGTERM');
      isSignalled = true;
    });
  }
}
