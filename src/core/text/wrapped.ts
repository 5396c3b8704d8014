/** What a person copies in one go: `wrapped` keeps it on one line. */
export function wholeText(text: string): string {
  return text.replaceAll(' ', KEPT_SPACE);
}

/** U+00A0: printed as a space, and no place to end a line. */
const KEPT_SPACE = '\u00a0';

/** A terminal may say that it has no columns at all. */
const COLUMNS_MIN = 40;

/** How long the lines of a stream may be; undefined if it is no terminal. */
export function terminalColumns({ isTTY, columns }: { isTTY: boolean; columns: number }): number | undefined {
  return isTTY ? Math.max(COLUMNS_MIN, columns) : undefined;
}

/**
 * The text in lines of at most `columns`; all but the first begin with `indent`. Nothing is ever cut: a word that
 * is longer than a line, such as a path, has a line of its own. Lines that fit stay as they are. What stands in
 * backticks, such as a command, is one word, so that it can be copied.
 */
export function wrapped(text: string, columns: number, indent = ''): string[] {
  return linesOf(text, columns, indent).map((line) => line.replaceAll(KEPT_SPACE, ' '));
}

/** What is kept together still is: such a line may be wrapped once more. */
export function linesOf(text: string, columns: number, indent = ''): string[] {
  if (text.length <= columns) return [text];
  const lead = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = lead;
  for (const word of wordsOf(text.slice(lead.length))) {
    const isBegun = line.trim() !== '';
    if (isBegun && line.length + 1 + word.length > columns) {
      lines.push(line.trimEnd());
      line = indent + word;
    } else line += isBegun ? ` ${word}` : word;
  }
  return [...lines, line];
}

function wordsOf(text: string): string[] {
  return text.replaceAll(/`[^`]+`/g, wholeText).split(' ');
}
