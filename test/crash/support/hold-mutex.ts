/** Another process that wants a mutex: tells on stdout what came of it, and holds it until it is ended. */
import { acquireHostMutex } from '../../../src/io/mutex/host-mutex.ts';

const [name, what, answerTimeoutMs] = process.argv.slice(2);
if (name === undefined || what === undefined) throw new Error('usage: hold-mutex <name> <what> [answerTimeoutMs]');
await acquireHostMutex(name, { what, waitTimeoutMs: 60_000, answerTimeoutMs: Number(answerTimeoutMs ?? 5_000) });
console.log('held');
setInterval(() => undefined, 60_000);
