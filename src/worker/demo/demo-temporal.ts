import { join } from 'node:path';
import { answeringCluster, devServerCommand } from '../dev-server.ts';
import { type ChildProgram, startChildProgram } from './child-program.ts';
import { freePorts } from './free-ports.ts';

export type DemoTemporal = { address: string; uiUrl: string; program: ChildProgram };

const NAMESPACE = 'default';

/** A Temporal server with its UI on free loopback ports; its database file lies in `folder`. Fails: `failed`. */
export async function startDemoTemporal(folder: string, mark: Record<string, string>): Promise<DemoTemporal> {
  const [port = 0, uiPort = 0] = await freePorts(2);
  const address = `127.0.0.1:${port}`;
  const program = await startChildProgram(
    {
      command: devServerCommand({ port, uiPort, databaseFile: join(folder, 'temporal.db'), namespace: NAMESPACE }),
      env: mark,
      logFile: join(folder, 'temporal.log'),
    },
    async () => (await answeringCluster(address, NAMESPACE)) !== undefined,
  );
  return { address, uiUrl: `http://127.0.0.1:${uiPort}`, program };
}
