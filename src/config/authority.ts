import { z } from 'zod';
import { durationMs, name } from './values.ts';

/** Of the key that `rstow up` makes. */
export const OWN_OPERATOR = 'this-host';

/** One line, as in authorized_keys; the first half of the text is the same for every Ed25519 key. */
const publicKey = z
  .string()
  .regex(
    /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(\s.*)?$/,
    'must be a public key, such as `rstow keygen` prints: ssh-ed25519 AAAA…',
  )
  .describe('The public key of that name, in one line as `rstow keygen` prints it.');

/** Who may replace a database's data. */
export const operatorsSection = z
  .record(name, publicKey)
  .refine((section) => Object.keys(section).length > 0, 'must name at least one operator, for nobody could replace data')
  .refine((section) => section[OWN_OPERATOR] === undefined, `must not name "${OWN_OPERATOR}", the key that \`rstow up\` makes`)
  .describe(
    'Whose signature a restore in place or a recovery needs ([security](security.md#operators)). Without this section anyone who can start a workflow may replace data.',
  )
  .meta({ sample: { ann: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMf1uVxZSxOZDSUVF9nFRuk1ydKNcaEKLWnqJSx0Ll2a ann' } });

/** Whose objects count in a repository. */
export const signersSection = z
  .record(name, publicKey)
  .refine((section) => Object.keys(section).length > 0, 'must name at least one signer; without the section nothing has to be signed')
  .describe(
    'Whose signature an object of the repository must bear, besides that of this agent’s own key ([signatures](security.md#signatures)): the line that `rstow keygen --agent` prints on each host that writes there. Without this section objects need no signature.',
  )
  .meta({ sample: { db1: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMf1uVxZSxOZDSUVF9nFRuk1ydKNcaEKLWnqJSx0Ll2a' } });

/** Two persons have to agree. */
export const approvalSection = z
  .strictObject({
    for: z
      .array(
        z.enum(['restore', 'pointInTimeRecovery', 'undoRestore', 'recoverInstance', 'disasterRecovery', 'rebaseDatabase', 'expireBackups']),
      )
      .meta({
        unit: 'workflow types: `restore`, `pointInTimeRecovery`, `undoRestore`, `recoverInstance`, `disasterRecovery`, `rebaseDatabase`, `expireBackups`',
      })
      .describe('Which runs wait for another person’s agreement.'),
    expiresMs: durationMs.default(86_400_000).describe('How long such a run waits before it fails.'),
  })
  .describe(
    'Lets runs that replace, bring back or delete data wait for another person ([messages](workflows.md#messages)). Without this section none waits.',
  )
  .meta({ sample: { for: ['restore', 'disasterRecovery'], expiresMs: 86_400_000 } });
