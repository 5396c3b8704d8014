/** Writes deploy/rstow-agent.service from what `--print-unit` prints. Its test asks for the same text. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemdUnit, unitPath } from '../src/cli/systemd-unit.ts';

export const UNIT_FILE = fileURLToPath(new URL('../deploy/rstow-agent.service', import.meta.url));

const INTRODUCTION = `# For rstow in /usr/local/bin with its config in /etc/rstow/rstow.yaml, and a server that is the unit rstmdb.service, its data in /var/lib/rstmdb: the agent
# runs as root, because it stops and starts that unit. \`rstow agent --print-unit\` prints the unit that fits your config, without root where that needs none.
`;

/** The file's whole text. */
export async function unitFile(): Promise<string> {
  const facts = {
    stateDir: '/var/lib/rstow',
    dataDirs: ['/var/lib/rstmdb'],
    notes: [],
    hasServers: false,
    hasVolumes: false,
    programs: [],
    servers: [{ unit: 'rstmdb.service', database: 'orders' }],
  };
  const configFile = '/etc/rstow/rstow.yaml';
  const args = ['agent', '--config', configFile];
  return INTRODUCTION + systemdUnit({ program: '/usr/local/bin/rstow', args, path: await unitPath('', []), facts, configFile });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(UNIT_FILE, await unitFile());
