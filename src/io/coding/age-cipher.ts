import type { EncryptionConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { createAgeDecryptor, createAgeEncryptor, fileKeyOf } from './age.ts';
import { readAgeIdentities } from './age-identities.ts';
import { type ObjectCipher, once } from './cipher.ts';
import { keySetOfRecipients } from './key-sets.ts';

export function ageCipher(settings: Extract<EncryptionConfig, { kind: 'age' }>): ObjectCipher {
  const recipients = [...new Set(settings.recipients)];
  const { identityFiles, identityPassphraseFile: passphraseFile } = settings;
  const identities = once(() => readAgeIdentities({ identityFiles, passphraseFile }));
  return {
    cipher: 'age',
    current: { keySet: keySetOfRecipients(recipients), what: { format: 1, cipher: 'age', by: 'recipients', recipients } },
    advice: 'identityFiles',
    holds: async (_keySet, known) => {
      const own = await identities();
      if (own.secrets.length === 0) return false;
      return known?.recipients.some((recipient) => own.recipients.includes(recipient));
    },
    encrypt: (before) =>
      createAgeEncryptor(async () => {
        await before();
        return recipients;
      }),
    decrypt: (key, access) =>
      createAgeDecryptor(key, async (header) => {
        const { wrongKey } = await access();
        const fileKey = await fileKeyOf(key, header, (await identities()).secrets);
        if (fileKey !== undefined) return fileKey;
        throw (
          wrongKey ??
          new RstowError('damaged-object', `${key} has a damaged header: no recipient of its key set opens it`, { details: { key } })
        );
      }),
  };
}
