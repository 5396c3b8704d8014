import { logSourceSuite } from '../../suites/log-source-suite.ts';

logSourceSuite('links');
logSourceSuite('descriptors');
