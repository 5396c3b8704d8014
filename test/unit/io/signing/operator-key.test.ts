import { expect, it } from 'vitest';
import type { Statement } from '../../../../src/core/authority/statement.ts';
import { isSignedBy, keyIdOf, operatorKeyOf } from '../../../../src/io/signing/operator-key.ts';
import { newPrivateKeyText } from '../../../../src/io/signing/ssh-key.ts';

const NOW_MS = 1_795_000_000_000;
const KEY = operatorKeyOf(newPrivateKeyText(), 'ann.key');
const START: Statement = {
  purpose: 'start',
  workflowType: 'restore',
  workflowId: 'rstow/orders/restore/1',
  input: { database: 'orders', backup: 'latest' },
};
const APPROVAL: Statement = { purpose: 'approve', workflowId: 'rstow/orders/restore/1', firstRunId: 'run-1', hash: 'ab' };

it.each([START, APPROVAL])('takes the signature of $purpose, whatever the order of its fields', (statement) => {
  const signature = KEY.sign(statement, NOW_MS);
  expect(isSignedBy(KEY.publicLine, statement, signature)).toBe(true);
  const reversed = Object.fromEntries(Object.entries(statement).reverse()) as Statement;
  expect(isSignedBy(KEY.publicLine, reversed, signature)).toBe(true);
});

it.each<[string, Statement]>([
  ['another input', { ...START, input: { database: 'orders', backup: '20261124T101500Z-hot' } }],
  ['another run', { ...START, workflowId: 'rstow/orders/restore/2' }],
  ['another type', { ...START, workflowType: 'disasterRecovery' }],
  ['another purpose', APPROVAL],
])('does not take it for %s', (_what, statement) => {
  expect(isSignedBy(KEY.publicLine, statement, KEY.sign(START, NOW_MS))).toBe(false);
});

it('takes it for no other time, nonce or key', () => {
  const signature = KEY.sign(START, NOW_MS);
  expect(isSignedBy(KEY.publicLine, START, { ...signature, signedAtMs: NOW_MS + 1 })).toBe(false);
  expect(isSignedBy(KEY.publicLine, START, { ...signature, nonce: KEY.sign(START, NOW_MS).nonce })).toBe(false);
  expect(isSignedBy(operatorKeyOf(newPrivateKeyText(), 'bob.key').publicLine, START, signature)).toBe(false);
  expect(isSignedBy(KEY.publicLine, START, { ...signature, value: 'AAAA' })).toBe(false);
});

it('names a key as ssh-keygen -l does', () => {
  const publicLine = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKCodhVy8owF21+IdQZScSdnTANqvzMJeYu1XBjS903x';
  expect(keyIdOf(`${publicLine} ann`)).toBe('SHA256:ulY5AObgZqBhhNfszgmKSn1I5PKpGj+A2JHBFp8Tv4o');
});

it('refuses what is no Ed25519 key, and does not quote it', () => {
  for (const text of ['open sesame', newPrivateKeyText().replace('MC4', 'MC5')]) {
    expect(() => operatorKeyOf(text, '/keys/ann.key')).toThrow('/keys/ann.key holds no Ed25519 private key');
  }
  expect(() => operatorKeyOf('open sesame', '/keys/ann.key')).not.toThrow('sesame');
});
