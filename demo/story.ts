import { durationText } from '../src/core/text/figures.ts';
import { wrapped } from '../src/core/text/wrapped.ts';

/** What the demo prints: a headline a chapter, the command that does the same, and what came of it. */
export type Story = {
  chapter(headline: string): void;
  command(line: string): void;
  fact(line: string): void;
};

const COLUMNS = 80;
const INDENT = '   ';

export function createStory(): Story {
  const startedAtMs = performance.now();
  let chapters = 0;
  const say = (text: string, indent: string): void => {
    for (const line of wrapped(text, COLUMNS, indent)) process.stdout.write(`${line}\n`);
  };
  return {
    chapter: (headline) => {
      chapters += 1;
      process.stdout.write('\n');
      say(`${chapters}. ${headline}  [${durationText(performance.now() - startedAtMs)}]`, INDENT);
    },
    command: (line) => say(`${INDENT}$ ${line}`, `${INDENT}    `),
    fact: (line) => say(`${INDENT}${line}`, `${INDENT}  `),
  };
}
