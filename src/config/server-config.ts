import { z } from 'zod';

/** What rstow reads of an rstmdb server's own config file. @see rstmdb-server 0.3.0 src/config.rs */
export const serverConfigSchema = z.object({ compaction: z.object({ enabled: z.boolean().optional() }).nullish() });
