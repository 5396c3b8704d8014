import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

type ProjectOptions = { testTimeoutMs: number };

/** One folder of test/ is one project: `npx vitest run --project unit`. */
function project(name: string, { testTimeoutMs }: ProjectOptions): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: testTimeoutMs, hookTimeout: 60_000 },
  };
}

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: false,
    projects: [
      project('unit', { testTimeoutMs: 10_000 }),
      project('replay', { testTimeoutMs: 20_000 }),
      project('workflow', { testTimeoutMs: 60_000 }),
      project('integration', { testTimeoutMs: 60_000 }),
      project('e2e', { testTimeoutMs: 120_000 }),
      project('crash', { testTimeoutMs: 120_000 }),
      project('regress', { testTimeoutMs: 60_000 }),
    ],
  },
});
