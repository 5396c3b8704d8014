/** Stops a unit, held back by a block if one is named, and starts it again, as whoever runs this. Arguments: the unit, the block. */
import { createSystemdService } from '../../src/io/service/systemd-service.ts';

const [unit = '', blockFile] = process.argv.slice(2);
const service = createSystemdService({ unit, stopTimeoutMs: 5_000 });
if (blockFile !== undefined) await service.refuseStartsWhile?.(blockFile);
await service.stop();
console.log((await service.isRunning()) ? 'still runs' : 'stopped');
await service.start();
console.log((await service.isRunning()) ? 'started' : 'not started');
