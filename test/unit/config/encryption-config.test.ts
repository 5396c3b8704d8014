import { describe, expect, it } from 'vitest';
import { parseConfigValue } from '../../../src/config/config-faults.ts';

const RECIPIENT = 'age1ajjjjyqmfgqzl7j8fyh62jaf3544wm3cuk84fet8megehdejy4dquj9dqf';

function faultsOf(encryption: unknown): string[] {
  const value = { repositories: { local: { kind: 'folder', path: '/backup', encryption } }, databases: {} };
  const parsed = parseConfigValue(value);
  return 'faults' in parsed ? parsed.faults.map(({ path, what }) => `${path.join('.')} ${what}`) : [];
}

const AT = 'repositories.local.encryption';

describe('the section encryption', () => {
  it('takes recipients of age, a passphrase of gpg, or recipients of gpg', () => {
    expect(faultsOf({ kind: 'age', recipients: [RECIPIENT] })).toEqual([]);
    expect(faultsOf({ kind: 'gpg', passphraseFile: '/etc/rstow/passphrase' })).toEqual([]);
    expect(faultsOf({ kind: 'gpg', recipients: ['F90272B8698C1E3CE58A93FC9DA7CC022FED3E8D'], home: '/etc/rstow/gnupg' })).toEqual([]);
  });

  it('finds a recipient that is mistyped, or of a kind that no object is encrypted for', () => {
    const mistyped = RECIPIENT.replace('quj9', 'quj8');
    const what = 'must be a recipient as `age-keygen` prints it, age1… of 62 characters; this one is of another kind, or mistyped';
    expect(faultsOf({ kind: 'age', recipients: [RECIPIENT, mistyped] })).toEqual([`${AT}.recipients.1 ${what}`]);
    expect(faultsOf({ kind: 'age', recipients: ['ssh-ed25519 AAAA'] })).toEqual([`${AT}.recipients.0 ${what}`]);
    expect(faultsOf({ kind: 'age', recipients: [] })[0]).toContain(`${AT}.recipients must not be empty`);
    const notFingerprint = faultsOf({ kind: 'gpg', recipients: ['backup@example.org'], home: '/etc/rstow/gnupg' });
    expect(notFingerprint).toEqual([`${AT}.recipients.0 must be the fingerprint of a key: 40 hex digits, as \`gpg --list-keys\` shows it`]);
  });

  it('wants one way of gpg’s, and a whole one', () => {
    expect(faultsOf({ kind: 'gpg' })).toEqual([`${AT} must have either passphraseFile, or recipients and home`]);
    expect(faultsOf({ kind: 'gpg', recipients: ['F90272B8698C1E3CE58A93FC9DA7CC022FED3E8D'] })).toEqual([
      `${AT} must have recipients and home together`,
    ]);
  });

  it('takes no secret in its own place', () => {
    expect(faultsOf({ kind: 'gpg', passphrase: 'open sesame' })[0]).toContain('is unknown');
    expect(faultsOf({ kind: 'age', recipients: [RECIPIENT], identityFiles: ['AGE-SECRET-KEY-1…'] })[0]).toContain(
      'must be an absolute path',
    );
  });
});
