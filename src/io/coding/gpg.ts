import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { gpgCommand } from '../process/gpg-command.ts';
import { commandFilter, commandOutput, holdCommand } from '../process/pipe-command.ts';

/** Of a key set: a passphrase, or keys in a folder of GnuPG's. */
export type GpgKeys = { kind: 'passphrase'; passphrase: string } | { kind: 'home'; home: string };

/** Whose message an object becomes. */
export type GpgTarget = { kind: 'passphrase'; passphrase: string } | { kind: 'home'; home: string; recipients: readonly string[] };

/**
 * Guesses a second cost an attacker little at any count that objects by the thousand can afford: what protects is a passphrase that nobody
 * guesses. GnuPG's own count would take a tenth of a second of CPU for each object.
 */
const S2K_COUNT = 1_048_576;

/** What zstd has compressed becomes no smaller. */
const ENCRYPTION = ['--compress-algo', 'none', '--cipher-algo', 'AES256', '--s2k-digest-algo', 'SHA256', '--s2k-count', String(S2K_COUNT)];

/** A plain `gpg -d` opens what it gives. Fails: as `begin`; encryption-unsupported. */
export function createGpgEncryptor(begin: () => Promise<GpgTarget>): Duplex {
  return commandFilter({
    begin: async () => {
      const target = await begin();
      const what =
        target.kind === 'passphrase'
          ? ['--symmetric']
          : ['--trust-model', 'always', ...target.recipients.flatMap((recipient) => ['--recipient', recipient]), '--encrypt'];
      return { command: [...commandOf(target), '--no-autostart', ...ENCRYPTION, ...what], secret: secretOf(target) };
    },
    fault: ({ said, isGood, isMissing }) => {
      if (isGood) return undefined;
      return isMissing ? notInstalled() : unsupported(`gpg can’t encrypt: ${reasonIn(said)}`);
    },
  });
}

export type GpgOpening = {
  keys: GpgKeys;
  /** Undefined if the keys are known to open the object: then it is the object's fault. */
  wrongKey: RstowError | undefined;
};

/** Fails: as `begin`; wrong-key, truncated-object, damaged-object, encryption-unsupported. */
export function createGpgDecryptor(key: string, begin: () => Promise<GpgOpening>): Duplex {
  let opening: GpgOpening | undefined;
  return commandFilter({
    begin: async () => {
      opening = await begin();
      const { keys } = opening;
      // Only a secret key needs gpg's agent.
      const alone = keys.kind === 'passphrase' ? ['--no-autostart'] : [];
      return { command: [...commandOf(keys), ...alone, '--status-fd', '2', '--decrypt'], secret: secretOf(keys) };
    },
    fault: ({ said, isGood, isMissing }) => {
      // Of a mere beginning gpg makes nothing, and is content.
      if (isGood && said.includes('[GNUPG:] DECRYPTION_OKAY')) return undefined;
      if (isMissing) return notInstalled();
      if (opening?.wrongKey !== undefined && WRONG_KEY.test(said)) return opening.wrongKey;
      const [code, what] =
        isGood || CUT.test(said) ? (['truncated-object', 'is cut short'] as const) : (['damaged-object', 'is damaged'] as const);
      return new RstowError(code, `${key} ${what}: ${reasonIn(said)}`, { details: { key } });
    },
  });
}

/** Of gpg's own words, of which none depend on the language of a user. */
const WRONG_KEY = /No secret key|Bad session key|BAD_PASSPHRASE|No passphrase given/;
const CUT = /problem reading source|read error|length byte missing|length invalid|Invalid packet|too short|\[GNUPG:\] NODATA/;

function reasonIn(said: string): string {
  const reasons = said.split('\n').filter((line) => line.startsWith('gpg: '));
  return reasons.at(-1)?.slice('gpg: '.length) ?? 'gpg says no more';
}

/**
 * Asks nobody, and takes no options from files. With a passphrase it needs no folder, and so it gets none.
 */
function commandOf(keys: GpgKeys | GpgTarget): string[] {
  const common = [
    ...gpgCommand(keys.kind === 'home' ? keys.home : '/nonexistent'),
    '--no-permission-warning',
    '--no-options',
    '--no-random-seed-file',
  ];
  return keys.kind === 'home' ? [...common, '--no-auto-check-trustdb'] : [...common, '--no-keyring', '--passphrase-fd', '3'];
}

function secretOf(keys: GpgKeys | GpgTarget): string | undefined {
  return keys.kind === 'passphrase' ? `${keys.passphrase}\n` : undefined;
}

/** The fingerprints of the keys whose secret half a home has. Fails: encryption-unsupported. */
export async function secretKeysOf(home: string): Promise<string[]> {
  // Without any there is nothing to ask gpg's agent for, and none is started.
  if ((await readdir(join(home, 'private-keys-v1.d')).catch(() => [])).length === 0) return [];
  await holdAgent(home);
  return primaryFingerprints(await listing(home, '--list-secret-keys'));
}

/** gpg starts one by itself, which would outlive us. This one ends some seconds after us, however we end. Twice: the first one serves. */
async function holdAgent(home: string): Promise<void> {
  await holdCommand(['gpg-agent', '--quiet', '--homedir', home, '--daemon', 'sh', '-c', 'echo ready; exec cat']).catch(() => false);
}

async function listing(home: string, what: string): Promise<string> {
  const command = [...commandOf({ kind: 'home', home }), '--with-colons', '--with-fingerprint', what];
  let text = '';
  try {
    for await (const chunk of commandOutput(command, new AbortController().signal, {
      failure: (said) => unsupported(`gpg can’t read ${home}: ${reasonIn(said)}`),
    })) {
      text += Buffer.from(chunk).toString('utf8');
    }
    return text;
  } catch (error) {
    throw error instanceof RstowError && error.details['errno'] === 'ENOENT' ? notInstalled() : error;
  }
}

/** @see GnuPG doc/DETAILS: a line `sec` begins a key, the first `fpr` behind it is its own, later ones are those of its subkeys. */
function primaryFingerprints(text: string): string[] {
  const lines = text.split('\n').map((line) => line.split(':'));
  return lines.flatMap(([type], index) => {
    if (type !== 'sec') return [];
    const fingerprint = lines.slice(index).find(([other]) => other === 'fpr')?.[9];
    return fingerprint === undefined ? [] : [fingerprint];
  });
}

function notInstalled(): RstowError {
  return unsupported('gpg is not installed on this host: install its package, gnupg');
}

function unsupported(sentence: string): RstowError {
  return new RstowError('encryption-unsupported', sentence);
}
