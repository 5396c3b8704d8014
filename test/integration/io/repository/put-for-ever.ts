import { openFolderRepository } from '../../../../src/io/repository/folder.ts';

/** A process to be killed: puts whole objects of 1 MiB, each filled with its number, until it dies. */
const [root = '', first = '0'] = process.argv.slice(2);
const repository = await openFolderRepository(root);
for (let number = Number(first); ; number += 1) {
  await repository.put(`objects/${number % 10}/${number}`, Buffer.alloc(1024 * 1024, number));
  process.stdout.write('.');
}
