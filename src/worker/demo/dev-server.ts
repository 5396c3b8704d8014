import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { type ChildProgram, startChildProgram } from './child-program.ts';
import { freePorts } from './free-ports.ts';

export type DevServer = { address: string; uiUrl: string; program: ChildProgram };

const ANSWER_MS = 2_000;

/** A Temporal server with its UI on free loopback ports; its database file lies in `folder`. Fails: `failed`. */
export async function startDevServer(folder: string): Promise<DevServer> {
  const [port = 0, uiPort = 0] = await freePorts(2);
  const address = `127.0.0.1:${port}`;
  const places = ['--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)];
  const program = await startChildProgram(
    {
      command: ['temporal', 'server', 'start-dev', ...places, '--db-filename', join(folder, 'temporal.db'), '--log-level', 'error'],
      env: {},
      logFile: join(folder, 'temporal.log'),
    },
    () => answers(address),
  );
  return { address, uiUrl: `http://127.0.0.1:${uiPort}`, program };
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: ANSWER_MS });
    try {
      const question = (): Promise<unknown> => connection.workflowService.describeNamespace({ namespace: 'default' });
      await connection.withDeadline(Date.now() + ANSWER_MS, question);
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}
