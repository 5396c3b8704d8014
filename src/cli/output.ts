import { noteColumns, resultColumns, wrapped } from './table.ts';

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
  for (const line of lines) for (const part of wrapped(line, columns, NOTE_INDENT)) stream.write(`${part}\n`);
}
