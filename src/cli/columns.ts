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

function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? Math.max(COLUMNS_MIN, stream.columns) : undefined;
}
