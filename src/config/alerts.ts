import { z } from 'zod';
import { absolutePath, command, durationMs, name, port } from './values.ts';

const TARGETS_MAX = 20;

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be a URL that begins with https:// or http://' })
  .meta({ unit: 'a URL', examples: ['https://alerts.example.org/rstow'] });

const urlFile = absolutePath
  .optional()
  .describe('Holds the URL in place of `url`, if it is a secret, as chat services’ are; 0640 or stricter. It is read each time.');

const timeoutMs = durationMs.default(10_000).describe('How long one delivery may take.');

const hasOneUrl = ({ url, urlFile: file }: { url?: unknown; urlFile?: unknown }): boolean => (url === undefined) !== (file === undefined);
const ONE_URL = { message: 'must have either url or urlFile' };

const webhook = z
  .strictObject({
    kind: z.literal('webhook').describe('A POST of JSON whose `text` Slack, Mattermost and their like show.'),
    url: httpUrl.optional().describe('Where it is posted to.'),
    urlFile,
    timeoutMs,
  })
  .refine(hasOneUrl, ONE_URL)
  .meta({ sample: { kind: 'webhook', urlFile: '/etc/rstow/chat.url' } });

const mailAddress = z
  .string()
  .regex(/^[^\s<>]+@[^\s<>]+$/, 'must be an address such as dba@example.org')
  .meta({ unit: 'an e-mail address', examples: ['dba@example.org'] });

const email = z
  .strictObject({
    kind: z.literal('email').describe('E-mail by a server that takes it by SMTP.'),
    host: z
      .string()
      .min(1)
      .meta({ examples: ['mail.example.org'] })
      .describe('The mail server.'),
    port: port.default(587).describe('Where it listens.'),
    tls: z
      .enum(['starttls', 'always', 'never'])
      .default('starttls')
      .describe(
        '`starttls`: encrypted before anything is said, or not sent; `always`: from the first byte, as on port 465; `never`: plain.',
      ),
    from: mailAddress.describe('The sender.'),
    to: z.array(mailAddress).min(1).max(50).meta({ unit: 'a list of e-mail addresses' }).describe('Who gets it.'),
    user: z.string().min(1).optional().describe('Whom the agent signs in as.'),
    passwordFile: absolutePath.optional().describe('Holds the password of `user`; 0640 or stricter. It is read each time.'),
    timeoutMs,
  })
  .refine(({ user, passwordFile }) => (user === undefined) === (passwordFile === undefined), {
    message: 'must have user and passwordFile together',
  })
  .meta({ sample: { kind: 'email', host: 'mail.example.org', from: 'rstow@example.org', to: ['dba@example.org'] } });

const program = z
  .strictObject({
    kind: z.literal('command').describe('A program of yours, without a shell: it gets the JSON on its standard input.'),
    command: command.describe('What is run. Another exit code than 0 is a failure; it is tried again.'),
    timeoutMs,
  })
  .meta({ sample: { kind: 'command', command: ['/usr/local/bin/page-someone'] } });

const deadMan = z
  .strictObject({
    url: httpUrl.optional().describe('What is asked for by GET.'),
    urlFile,
    everyMs: durationMs.min(1_000, 'must be at least 1000').default(60_000).describe('How often.'),
  })
  .refine(hasOneUrl, ONE_URL)
  .describe(
    'A URL of a service outside this host that raises an alarm if it is *not* called: it is called only while every database of this agent is looked after and nothing critical is open.',
  )
  .meta({ sample: { urlFile: '/etc/rstow/dead-man.url', everyMs: 60_000 } });

export const alertsSection = z
  .strictObject({
    targets: z
      .record(name, z.discriminatedUnion('kind', [webhook, email, program]))
      .default({})
      .refine((targets) => Object.keys(targets).length <= TARGETS_MAX, `must have at most ${TARGETS_MAX} targets`)
      .describe('Who is told, by names of your own. Each gets every notice.'),
    deadMan: deadMan.optional(),
    lookMs: durationMs.min(100, 'must be at least 100').default(60_000).describe('How often the agent looks.'),
    surveyMs: durationMs
      .refine((ms) => ms === 0 || ms >= 1_000, 'must be 0, or at least 1000')
      .default(21_600_000)
      .describe(
        'How often the agent counts what a restart of the server would lose, which reads the whole log in place; 0: only `rstow check` does.',
      ),
    repeatMs: durationMs.default(86_400_000).describe('How long until people are told again of what is still wrong; 0: once and no more.'),
  })
  .describe('Who is told when something is wrong with a database’s protection ([alerts](alerts.md)). Without this section nobody is.')
  .meta({ sample: { targets: { chat: { kind: 'webhook', urlFile: '/etc/rstow/chat.url' } }, repeatMs: 86_400_000 } });

export type AlertsConfig = z.infer<typeof alertsSection>;
export type AlertTargetConfig = AlertsConfig['targets'][string];
export type DeadManConfig = NonNullable<AlertsConfig['deadMan']>;
