import { z } from 'zod';
import { isBech32 } from '../core/text/bech32.ts';
import { absolutePath } from './values.ts';

/** Of a public key of 32 bytes. */
const AGE_RECIPIENT_LENGTH = 62;

const ageRecipient = z
  .string()
  .refine(
    (text) => text.length === AGE_RECIPIENT_LENGTH && isBech32(text, 'age'),
    'must be a recipient as `age-keygen` prints it, age1… of 62 characters; this one is of another kind, or mistyped',
  );

const age = z
  .strictObject({
    kind: z.literal('age').describe('By age: for the holders of any of several keys, and in a format that a plain `age -d` opens.'),
    recipients: z
      .array(ageRecipient)
      .min(1)
      .max(100)
      .meta({ unit: 'a list of recipients', examples: [['age1ajjjjyqmfgqzl7j8fyh62jaf3544wm3cuk84fet8megehdejy4dquj9dqf']] })
      .describe('The public keys that `age-keygen` prints. The holder of any one can restore.'),
    identityFiles: z
      .array(absolutePath)
      .default([])
      .meta({ unit: 'a list of absolute paths', examples: [['/etc/rstow/backup.agekey']] })
      .describe(
        'Files with secret keys, as `age-keygen` writes them, that open what is stored: also those of former recipients. Without any the host backs up and archives, but can’t restore.',
      ),
    identityPassphraseFile: absolutePath
      .optional()
      .describe('Holds the passphrase of identity files that `age -p` has encrypted. They are opened in memory.'),
  })
  .meta({
    sample: {
      kind: 'age',
      recipients: ['age1ajjjjyqmfgqzl7j8fyh62jaf3544wm3cuk84fet8megehdejy4dquj9dqf'],
      identityFiles: ['/etc/rstow/backup.agekey'],
    },
  });

const gpg = z
  .strictObject({
    kind: z.literal('gpg').describe('By GnuPG, which has to be on the host. A plain `gpg -d` opens the objects.'),
    passphraseFile: absolutePath
      .optional()
      .meta({ examples: ['/etc/rstow/backup.passphrase'] })
      .describe('Its first line encrypts and opens everything (AES-256). Make one with `openssl rand -base64 32`: nobody can guess it.'),
    formerPassphraseFiles: z
      .array(absolutePath)
      .default([])
      .meta({ unit: 'a list of absolute paths' })
      .describe('Passphrases by which older objects were encrypted. They only open.'),
    recipients: z
      .array(z.string().regex(/^[0-9A-Fa-f]{40}$/, 'must be the fingerprint of a key: 40 hex digits, as `gpg --list-keys` shows it'))
      .min(1)
      .max(100)
      .optional()
      .meta({ unit: 'a list of fingerprints', examples: [['F90272B8698C1E3CE58A93FC9DA7CC022FED3E8D']] })
      .describe('In the place of a passphrase: the keys of `home` for which everything is encrypted.'),
    home: absolutePath
      .optional()
      .meta({ examples: ['/etc/rstow/gnupg'] })
      .describe(
        'GnuPG’s folder with the public keys of the recipients, for rstow alone. It opens what it has secret keys for; these have no passphrase. Without any the host backs up and archives, but can’t restore.',
      ),
  })
  .refine(({ passphraseFile, recipients }) => (passphraseFile === undefined) !== (recipients === undefined), {
    message: 'must have either passphraseFile, or recipients and home',
  })
  .refine(({ recipients, home }) => (recipients === undefined) === (home === undefined), {
    message: 'must have recipients and home together',
  })
  .meta({ sample: { kind: 'gpg', passphraseFile: '/etc/rstow/backup.passphrase' } });

export const encryptionSection = z
  .discriminatedUnion('kind', [age, gpg])
  .describe(
    'Encrypts the log and all else of the data ([encryption](architecture.md#encryption)). Names, sizes, times and checksums stay readable. Without this section nothing is encrypted.',
  );

export const formerEncryptionSection = z
  .discriminatedUnion('kind', [age, gpg])
  .describe(
    'Opens what was stored by another `encryption` than now, such as one of another kind, or if nothing is to be encrypted any more. It stores nothing, and `rstow rotate-keys` ends the need for it.',
  );
