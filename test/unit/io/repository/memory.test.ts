import { ownObjects } from '../../../../src/io/repository/open.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { testRepository } from '../../../suites/repository-suite.ts';

testRepository({
  name: 'memory',
  open: async () => ({ repository: createMemoryRepository(), close: async () => {} }),
  streams: false,
});

testRepository({
  name: 'memory, without what others have put there',
  open: async () => ({ repository: ownObjects(createMemoryRepository(), () => undefined), close: async () => {} }),
  streams: false,
});
