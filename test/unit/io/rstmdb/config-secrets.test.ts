import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { lacksSecrets, withFreshSecrets, withoutSecrets } from '../../../../src/io/rstmdb/secrets.ts';

const stored = (text: string): string => withoutSecrets(Buffer.from(text)).toString();

const CONFIG = `# as the operator wrote it
auth:
  required: true
  token_hashes: [9f86d081]   # no secret
  secrets_file: /etc/rstmdb/secrets
storage: { fsync_policy: !every_n 5 }
replication:
  auth_token: open-sesame # of the replicas
  upstream: "10.0.0.1:7401"
tls: { key_path: /etc/rstmdb/key.pem }
`;

test('leaves out the secrets of a server’s config, and keeps every other byte', () => {
  expect(stored(CONFIG)).toBe(CONFIG.replace('open-sesame', '"removed-by-rstow"'));
});

test.each([
  ['in quotes', 'auth_token: "open-sesame"'],
  ['in a flow', '{ replication: { auth_token: open-sesame, role: primary } }'],
  ['as JSON', '{"replication":{"auth_token":"open-sesame"}}'],
  ['as a block', 'auth_token: |\n  open-sesame\nrole: primary'],
  ['over several lines', 'auth_token: open\n  open-sesame\nrole: primary'],
  ['behind a tag', 'auth_token: !!str open-sesame'],
  ['as a list', 'tokens:\n  - open-sesame\n  - open-sesame\nrole: primary'],
  ['by an alias', 'common: &t open-sesame\nauth_token: *t'],
  ['in a URL', 'upstream: https://user:open-sesame@db2/'],
  ['in a second document', 'role: primary\n---\nauth_token: open-sesame'],
  ['as a variable of an environment file', '# env\nexport RSTMDB_REPL_AUTH_TOKEN=open-sesame\nRSTMDB_TOKEN="open-sesame"\n'],
  ['as a private key', '-----BEGIN EC PRIVATE KEY-----\nopen-sesame\n-----END EC PRIVATE KEY-----\n'],
])('leaves out a secret that stands %s', (_where, text) => {
  expect(stored(text)).not.toContain('open-sesame');
  expect(stored(text)).toContain('removed-by-rstow');
});

test.each(['auth_token:\nrole: primary\n', 'RSTMDB_AUTH_TOKEN_HASH=9f86d081\n', 'require_token: true\n', 'just text\n', ''])(
  'changes nothing where there is no secret: %j',
  (text) => {
    expect(stored(text)).toBe(text);
  },
);

test('leaves out the secrets of a file in Latin-1, and keeps every other byte', () => {
  const config = Buffer.from(`# für die Replikas\n${CONFIG}`, 'latin1');
  const cut = withoutSecrets(config);
  expect(cut.toString('latin1')).toBe(`# für die Replikas\n${CONFIG.replace('open-sesame', '"removed-by-rstow"')}`);
  expect(lacksSecrets(withFreshSecrets(cut))).toBe(true);
  expect(withFreshSecrets(cut).subarray(0, 19)).toEqual(config.subarray(0, 19));
});

test('leaves a file alone that is no text', () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00]);
  expect(withoutSecrets(bytes)).toEqual(bytes);
  expect(withFreshSecrets(bytes)).toEqual(bytes);
});

test('what comes in the place of a secret is another one each time, that nobody knows, and is found again', () => {
  const [one, other] = [withFreshSecrets(Buffer.from(stored(CONFIG))), withFreshSecrets(Buffer.from(stored(CONFIG)))];
  const { replication } = parse(one.toString(), { logLevel: 'silent' }) as { replication: { auth_token: string } };
  expect(replication.auth_token).toMatch(/^removed-by-rstow-[0-9a-f]{32}$/);
  expect(one.equals(other)).toBe(false);
  expect([lacksSecrets(one), lacksSecrets(Buffer.from(CONFIG))]).toEqual([true, false]);
  expect(stored(one.toString())).toBe(stored(CONFIG));
});
