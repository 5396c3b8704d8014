import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// `no-restricted-syntax` of a later block replaces an earlier one whole, so each block is put together from these lists.
const unitNames = [
  {
    selector: 'TSPropertySignature > Identifier.key[name=/^(timeout|duration|interval|delay|size|ttl|latency|elapsed)$/]',
    message: 'Say the unit, last: timeoutMs, sizeBytes.',
  },
  {
    selector:
      ':matches(TSPropertySignature > Identifier.key, VariableDeclarator > Identifier.id, :function > Identifier.params)[name=/^((ms|secs?|seconds)(?!Per)[A-Z]|bytes(Max|Min|Limit|Size|Count|Total)|(max|min)(Ms|Seconds|Bytes|Count)$)/]',
    message: 'The unit comes after the thing, a limit last: stopTimeoutMs, payloadSizeBytesMax.',
  },
];

const ownErrors = [
  {
    selector: 'ThrowStatement > NewExpression[callee.name=/^(Error|TypeError|RangeError)$/]',
    message: 'Throw an RstowError with a code of the table; a broken promise of our own is `assert`.',
  },
];

const namedExports = [
  { selector: 'ExportDefaultDeclaration', message: 'Exports have names.' },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import the file that holds the noun.' },
];

const environment = [
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Only the mains read the environment; they hand values on.',
  },
];

const clockAndChance = [
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0], MemberExpression[object.name='Date'][property.name='now']",
    message: 'Time is an argument here.',
  },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'Chance is an argument here.' },
];

const effectGlobals = ['process', 'Buffer', 'fetch', 'crypto', 'performance', 'require'];
const timerGlobals = ['setTimeout', 'setInterval', 'setImmediate'];

const restrictSyntax = (...lists) => ({ 'no-restricted-syntax': ['error', ...lists.flat()] });

export default defineConfig([
  globalIgnores(['dist/', 'coverage/', '.tools/', 'node_modules/']),
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      ...restrictSyntax(unitNames),
      'max-lines': ['error', { max: 300 }],
      'max-params': ['error', { max: 3 }],
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // An async function that has nothing to wait for still keeps the promise of its port: throws become rejections.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**/*.ts', 'demo/**/*.ts'],
    rules: {
      ...restrictSyntax(unitNames, ownErrors, namedExports, environment),
      'max-lines-per-function': ['error', { max: 40 }],
      'no-console': 'error',
    },
  },
  {
    files: ['src/core/**/*.ts', 'src/contract/**/*.ts', 'src/config/**/*.ts'],
    rules: {
      ...restrictSyntax(unitNames, ownErrors, namedExports, environment, clockAndChance),
      'no-restricted-globals': ['error', ...effectGlobals, ...timerGlobals],
    },
  },
  {
    // Inside a workflow, Temporal replaces the clock, chance and timers by replayable ones.
    files: ['src/workflows/**/*.ts'],
    rules: { 'no-restricted-globals': ['error', ...effectGlobals] },
  },
  {
    // A recipe asks its engine for them: the same file runs without Temporal.
    files: ['src/workflows/*.ts'],
    rules: {
      ...restrictSyntax(unitNames, ownErrors, namedExports, environment, clockAndChance),
      'no-restricted-globals': ['error', ...effectGlobals, ...timerGlobals],
    },
  },
  {
    // The default export answers workflow types that nobody knows.
    files: ['src/workflows/index.ts'],
    rules: { ...restrictSyntax(unitNames, ownErrors, environment) },
  },
  {
    // What the package exports by one name.
    files: ['src/contract/index.ts'],
    rules: { ...restrictSyntax(unitNames, ownErrors, environment, clockAndChance) },
  },
  { files: ['src/cli/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['src/cli/main.ts', 'src/worker/*-main.ts', 'src/io/process/hanging-calls.ts'],
    rules: { ...restrictSyntax(unitNames, ownErrors, namedExports) },
  },
  {
    files: ['scripts/**/*.ts'],
    rules: { 'max-lines-per-function': ['error', { max: 40 }] },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Tests look into values whose shape they have just made.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.{js,cjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { module: 'writable' } },
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
]);
