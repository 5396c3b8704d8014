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
