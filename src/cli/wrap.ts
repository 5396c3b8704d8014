/** Lines that fit the screen of whoever reads them. */

const RESULT_COLUMNS = 80;
const COLUMNS_MIN = 40;

/** Of results on stdout: the terminal's columns, or 80 if stdout is no terminal. */
export function resultColumns(): number {
  return columnsOf(process.stdout) ?? RESULT_COLUMNS;
}

/** Of notes and failures on stderr: the terminal's columns; without a terminal each stays one line, which `grep` finds whole. */
export function noteColumns(): number {
  return columnsOf(process.stderr) ?? Infinity;
}

/**
 * The text in lines of at most `columns`; all but the first begin with `indent`. Nothing is ever cut: a word that
 * is longer than a line, such as a path, has a line of its own. Lines that fit stay as they are.
 */
export function wrapped(text: string, columns: number, indent = ''): string[] {
  if (text.length <= columns) return [text];
  const lead = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = lead;
  for (const word of text.slice(lead.length).split(' ')) {
    const isBegun = line.trim() !== '';
    if (isBegun && line.length + 1 + word.length > columns) {
      lines.push(line.trimEnd());
      line = indent + word;
    } else line += isBegun ? ` ${word}` : word;
  }
  return [...lines, line];
}

function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? Math.max(COLUMNS_MIN, stream.columns) : undefined;
}
