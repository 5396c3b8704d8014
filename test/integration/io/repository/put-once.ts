import { openFolderRepository } from '../../../../src/io/repository/folder.ts';

/** Runs under strace, which watches its system calls or lets one fail. Prints the outcome or the error's code. */
const onUnsynced = (): void => void process.stdout.write('unsynced, ');
const repository = await openFolderRepository(process.argv[2] ?? '', { onUnsynced }).catch(report);
const outcome = await repository?.put('a/b/object', Buffer.from('content')).catch(report);
if (outcome !== undefined) process.stdout.write(outcome);

function report(error: unknown): undefined {
  process.stdout.write(error instanceof Error && 'code' in error ? String(error.code) : String(error));
}
