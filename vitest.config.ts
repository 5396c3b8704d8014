import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

type ProjectOptions = {
  testTimeoutMs: number;
  hookTimeoutMs?: number;
  include?: string[];
  exclude?: string[];
  globalSetup?: string;
  sequence?: { groupOrder: number };
  maxWorkers?: number;
};

/** One folder of test/ is one project: `npx vitest run --project unit`. */
function project(name: string, { testTimeoutMs, hookTimeoutMs = 180_000, ...options }: ProjectOptions): TestProjectInlineConfiguration {
  const include = [`test/${name}/**/*.test.ts`];
  return { extends: true, test: { name, include, testTimeout: testTimeoutMs, hookTimeout: hookTimeoutMs, ...options } };
}

/** A Temporal server and a workflow bundle, shared by the projects that name it. */
const globalSetup = 'test/support/global-setup.ts';

/** Of the integration tests only these need Temporal, so that the others start at once. */
const agentTests = ['test/integration/{worker,cli}/**/*.test.ts'];

/** Of the workflow tests these wait for minutes on what never answers: they are among the long ones. */
const waitingTests = ['test/workflow/{approval,database-lock,disaster-recovery,restore}.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    // Most tests wait more than they work: two cores do well with three.
    maxWorkers: 3,
    passWithNoTests: false,
    // A busy machine is no fault: these bounds end only what would never come.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      project('unit', { testTimeoutMs: 10_000 }),
      project('replay', { testTimeoutMs: 20_000 }),
      project('workflow', { testTimeoutMs: 120_000, exclude: waitingTests, globalSetup }),
      project('waiting', { testTimeoutMs: 120_000, include: waitingTests, globalSetup }),
      project('integration', { testTimeoutMs: 120_000, exclude: agentTests }),
      project('agent', { testTimeoutMs: 120_000, include: agentTests, globalSetup }),
      project('e2e', { testTimeoutMs: 240_000, globalSetup }),
      project('long', { testTimeoutMs: 240_000, globalSetup }),
      project('crash', { testTimeoutMs: 240_000, globalSetup }),
      project('hard', { testTimeoutMs: 240_000, globalSetup }),
      // Disks, networks and Temporal servers that fail for long: `npm run test:faults`.
      project('faults', { testTimeoutMs: 240_000, globalSetup }),
      // Hosts of their own: systemd as PID 1, kernels with LVM, containers.
      project('hosts', { testTimeoutMs: 300_000, globalSetup }),
      // Runs on such a host.
      project('inside', { testTimeoutMs: 60_000 }),
      // Hosts with ZFS, under emulation: `npm run test:zfs`.
      project('zfs', { testTimeoutMs: 3_600_000, hookTimeoutMs: 3_600_000, globalSetup }),
      // What measures something has the machine to itself: it runs when all others have ended.
      project('alone', { testTimeoutMs: 240_000, globalSetup, sequence: { groupOrder: 1 }, maxWorkers: 1 }),
      project('regress', { testTimeoutMs: 60_000 }),
    ],
  },
});
