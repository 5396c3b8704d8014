import { openFolderRepository } from '../../../../src/io/repository/folder.ts';

/** A process to be killed: has written half of an object and goes no further. */
const repository = await openFolderRepository(process.argv[2] ?? '');
const staged = await repository.stage('a');
staged.sink.write(Buffer.alloc(1024 * 1024), () => process.stdout.write('written'));
setInterval(() => {}, 1000);
