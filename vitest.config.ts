import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

type ProjectOptions = { testTimeoutMs: number; include?: string[]; exclude?: string[]; globalSetup?: string };

/** One folder of test/ is one project: `npx vitest run --project unit`. */
function project(name: string, { testTimeoutMs, ...options }: ProjectOptions): TestProjectInlineConfiguration {
  const include = [`test/${name}/**/*.test.ts`];
  return { extends: true, test: { name, include, testTimeout: testTimeoutMs, hookTimeout: 180_000, ...options } };
}

/** A Temporal server and a workflow bundle, shared by the projects that name it. */
const globalSetup = 'test/support/global-setup.ts';

/** Of the integration tests only these need Temporal, so that the others start at once. */
const agentTests = ['test/integration/{worker,cli}/**/*.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: false,
    // A busy machine is no fault: these bounds end only what would never come.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      project('unit', { testTimeoutMs: 10_000 }),
      project('replay', { testTimeoutMs: 20_000 }),
      project('workflow', { testTimeoutMs: 120_000, globalSetup }),
      project('integration', { testTimeoutMs: 120_000, exclude: agentTests }),
      project('agent', { testTimeoutMs: 120_000, include: agentTests, globalSetup }),
      project('e2e', { testTimeoutMs: 240_000, globalSetup }),
      project('long', { testTimeoutMs: 240_000, globalSetup }),
      project('crash', { testTimeoutMs: 240_000, globalSetup }),
      project('hard', { testTimeoutMs: 240_000, globalSetup }),
      project('regress', { testTimeoutMs: 60_000 }),
    ],
  },
});
