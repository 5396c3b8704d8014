/**
 * The rooms of src/ and their walls (docs/architecture.md). Each rule says what a room must not reach.
 * Type-only imports count like any other, unless a rule says otherwise: they bind rooms together too.
 */
const node = { dependencyTypes: ['core'] };
const npmExcept = (names) => ({ path: 'node_modules/', pathNot: names.map((name) => `node_modules/${name}/`) });

/** One rule for what a room may import of src/, one for npm, one for Node. */
function room(name, { rooms, npm, allowsNode, comment }) {
  const from = { path: `^src/${name}/` };
  const allowed = [name, ...rooms].map((other) => `^src/${other}/`);
  const rules = [
    { name: `${name}-rooms`, severity: 'error', comment, from, to: { path: '^src/', pathNot: allowed } },
    { name: `${name}-npm`, severity: 'error', comment, from, to: npmExcept(npm) },
  ];
  return allowsNode ? rules : [...rules, { name: `${name}-node`, severity: 'error', comment, from, to: node }];
}

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...room('core', {
      rooms: [],
      npm: [],
      allowsNode: false,
      comment: 'The pure domain: what workflows reach must hold nothing native, no clock and no effect.',
    }),
    ...room('contract', {
      rooms: ['core'],
      npm: [],
      allowsNode: false,
      comment: 'Everyone imports the contract, workflows too.',
    }),
    ...room('config', {
      rooms: ['core', 'contract'],
      npm: ['zod'],
      allowsNode: false,
      comment: 'Schemas only: whoever reads the file hands its text in.',
    }),
    ...room('client', {
      rooms: ['contract', 'core'],
      npm: ['@temporalio/(client|common)'],
      allowsNode: true,
      comment: 'What the command, the webhook and other services start runs by: nothing of an agent comes with it.',
    }),
    ...room('formats', {
      rooms: ['core'],
      npm: ['zod'],
      allowsNode: false,
      comment: 'Every JSON that is kept, and its version rule; whoever stores it is elsewhere.',
    }),
    ...room('store', {
      rooms: ['io/repository', 'io/coding', 'io/checksum', 'formats', 'core', 'contract'],
      npm: [],
      allowsNode: true,
      comment: 'The typed repository.',
    }),
    ...room('database', {
      rooms: ['io', 'formats', 'config', 'core', 'contract'],
      npm: ['yaml'],
      allowsNode: true,
      comment: 'The typed database on this host.',
    }),
    ...room('replay', {
      rooms: ['store', 'database', 'io', 'formats', 'config', 'core', 'contract'],
      npm: [],
      allowsNode: true,
      comment: 'What a log comes to, from wherever it is read.',
    }),
    ...room('activities', {
      rooms: ['replay', 'store', 'database', 'io', 'formats', 'config', 'core', 'contract'],
      npm: ['@temporalio/activity'],
      allowsNode: true,
      comment: 'The verbs don’t know who calls them.',
    }),
    ...room('worker', {
      rooms: ['activities', 'replay', 'store', 'database', 'io', 'formats', 'config', 'client', 'core', 'contract'],
      npm: ['@temporalio/(worker|client|envconfig)', 'pino', 'prom-client', 'yaml'],
      allowsNode: true,
      comment: 'The composition root passes the workflows’ path and never loads them.',
    }),
    ...['local', 'up'].flatMap((name) =>
      room(name, {
        rooms: [
          'workflows',
          'worker',
          'client',
          'activities',
          'replay',
          'store',
          'database',
          'io',
          'formats',
          'config',
          'core',
          'contract',
        ],
        npm: ['@temporalio/client', 'yaml'],
        allowsNode: true,
        comment: 'Above the agent: without Temporal, or with one of its own.',
      }),
    ),
    {
      name: 'io-rooms',
      severity: 'error',
      comment: 'One outside thing behind one port: an io room knows itself, the formats, and the doors to files and to other programs.',
      from: { path: '^src/io/([^/]+)/' },
      to: { path: '^src/', pathNot: ['^src/io/$1/', '^src/(core|config|formats|io/files|io/process)/'] },
    },
    {
      name: 'io-temporal',
      severity: 'error',
      comment: 'The same code runs without Temporal when the engine itself is lost.',
      from: { path: '^src/io/' },
      to: { path: 'node_modules/@temporalio/' },
    },
    {
      name: 'programs-one-door',
      severity: 'error',
      comment: 'src/io/process is the only door to other programs: their ends, signals and output are mapped there.',
      from: { path: '^src/', pathNot: '^src/io/process/' },
      to: { path: ['node_modules/execa/', '^(node:)?child_process$'] },
    },
    {
      name: 'verbs-without-temporal',
      severity: 'error',
      comment: 'A verb knows its run as a port: the same body runs without Temporal.',
      from: { path: '^src/activities/', pathNot: '^src/activities/(activity|run-port)[.]ts$' },
      to: { path: 'node_modules/@temporalio/' },
    },
    {
      name: 'workflows-rooms',
      severity: 'error',
      comment: 'Recipes only: effects are activities.',
      from: { path: '^src/workflows/' },
      to: { path: '^src/', pathNot: '^src/(workflows|activities|core|contract)/' },
    },
    {
      name: 'workflows-activities-by-type',
      severity: 'error',
      comment: 'Temporal’s bundler does not refuse an activity imported by value: it would run inside the workflow.',
      from: { path: '^src/workflows/' },
      to: { path: '^src/activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'recipes-without-temporal',
      severity: 'error',
      comment: 'A recipe knows an Engine only: the same file runs without Temporal.',
      from: { path: '^src/workflows/[^/]+[.]ts$', pathNot: '^src/workflows/index[.]ts$' },
      to: { path: ['^src/workflows/(temporal/|index[.]ts)', 'node_modules/@temporalio/'] },
    },
    {
      name: 'local-recipes-only',
      severity: 'error',
      comment: 'Without Temporal there are the recipes and the engine that they ask for.',
      from: { path: '^src/(local|up)/' },
      to: { path: '^src/workflows/(temporal/|index[.]ts)' },
    },
    {
      name: 'workflows-npm',
      severity: 'error',
      comment: 'Whatever workflows import lands in the bundle. The error of a taken workflow id is only in @temporalio/common.',
      from: { path: '^src/workflows/' },
      to: npmExcept(['@temporalio/(workflow|common)']),
    },
    {
      name: 'workflows-node',
      severity: 'error',
      comment: 'A replay must not see the machine.',
      from: { path: '^src/workflows/' },
      to: node,
    },
    {
      name: 'cli-rooms',
      severity: 'error',
      comment: 'A thin face: it starts and watches.',
      from: { path: '^src/cli/' },
      to: {
        path: '^src/',
        pathNot: '^src/((cli|client|contract|core|local|up|worker)/|io/process/hanging-calls[.]ts)',
      },
    },
    {
      name: 'cli-worker-by-dynamic-import',
      severity: 'error',
      comment: 'The native parts of a worker load only in the commands that need them.',
      from: { path: '^src/cli/' },
      to: { path: '^src/(local|up|worker)/', dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'cli-npm',
      severity: 'error',
      comment: 'A thin face: the client and the command line.',
      from: { path: '^src/cli/' },
      to: npmExcept(['@temporalio/envconfig', 'commander']),
    },
    { name: 'no-circular', severity: 'error', comment: 'Two files that need each other are one.', from: {}, to: { circular: true } },
    {
      name: 'src-alone',
      severity: 'error',
      comment: 'The product doesn’t import its tests, benches, demo or scripts.',
      from: { path: '^src/' },
      to: { path: '^(test|bench|demo|scripts)/' },
    },
    {
      name: 'no-dev-dependency',
      severity: 'error',
      comment: 'It would be missing where the package is installed.',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-unresolvable', severity: 'error', comment: 'The imported file does not exist.', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
};
