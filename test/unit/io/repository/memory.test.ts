import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { testRepository } from '../../../suites/repository-suite.ts';

testRepository({
  name: 'memory',
  open: async () => ({ repository: createMemoryRepository(), close: async () => {} }),
  streams: false,
});
