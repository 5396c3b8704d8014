const RESULT_COLUMNS = 80;
const COLUMNS_MIN = 40;
const GAP = '  ';
/** A last column narrower than this is printed below its row instead. */
const LAST_COLUMN_MIN = 20;

/**
 * Columns as wide as their widest cell; cells that begin with a digit are aligned to the right. The last column takes what
 * the others leave: longer cells continue on the next line, below their own beginning.
 */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[], columns = resultColumns()): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const leadWidth = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
  const room = columns - leadWidth;
  const lastWidth = Math.min(widths.at(-1) ?? 0, Math.max(0, room));
  return [head, ...rows].flatMap((row) => {
    const lead = row.slice(0, -1).map((cell, column) => padded(cell, widths[column] ?? 0) + GAP);
    const last = row.at(-1) ?? '';
    if (last.length > room && room < LAST_COLUMN_MIN) return [lead.join('').trimEnd(), ...wrapped(GAP + last, columns, GAP)];
    return wrapped(padded(last, lastWidth).trimEnd(), room).map((line, index) => {
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
    wrapped(value, columns - width).map((line, index) => ((index === 0 ? name : '').padEnd(width) + line).trimEnd()),
  );
}

function padded(cell: string, width: number): string {
  return /^[0-9][0-9.,]*( [kMGT]?B)?$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
}

/** Of results on stdout: the terminal's columns, or 80 if stdout is no terminal. */
export function resultColumns(): number {
  return columnsOf(process.stdout) ?? RESULT_COLUMNS;
}

/** Of notes and failures on stderr: the terminal's columns; without a terminal each stays one line, which `grep` finds whole. */
export function noteColumns(): number {
  return columnsOf(process.stderr) ?? Infinity;
}

function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? Math.max(COLUMNS_MIN, stream.columns) : undefined;
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
