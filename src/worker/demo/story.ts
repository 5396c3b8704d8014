/** What the demo tells: a headline a step, and what came of it below. */
export type Story = {
  step(headline: string): void;
  fact(line: string): void;
};

export function createStory(): Story {
  const startedAtMs = performance.now();
  let steps = 0;
  return {
    step: (headline) => {
      steps += 1;
      const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
      process.stdout.write(`\n${steps}. ${headline}  [${seconds} s]\n`);
    },
    fact: (line) => void process.stdout.write(`   ${line}\n`),
  };
}

export function megabytes(sizeBytes: number): string {
  return `${(sizeBytes / 1e6).toFixed(1)} MB`;
}

export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}
