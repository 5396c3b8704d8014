import { z } from 'zod';
import { absolutePath, address } from './values.ts';

const tls = z
  .strictObject({
    caFile: absolutePath
      .optional()
      .describe('The authority that the server’s certificate is checked against; those that Node.js knows if absent.'),
    certFile: absolutePath.optional().describe('The agent’s own certificate, if the server asks for one.'),
    keyFile: absolutePath.optional().describe('The key of that certificate.'),
    serverName: z.string().min(1).optional().describe('The name that the server’s certificate must have; the address’s host if absent.'),
  })
  .describe('Speaks TLS to the server. Without this section the agent speaks plain TCP.')
  .meta({
    sample: {
      caFile: '/etc/rstow/ca.pem',
      certFile: '/etc/rstow/client.pem',
      keyFile: '/etc/rstow/client.key',
      serverName: 'db1.example.org',
    },
  });

export const serverSection = z
  .strictObject({
    address: address.describe('Where the server answers.'),
    tokenFile: absolutePath.optional().describe('Holds the token that the server asks for.'),
    tls: tls.optional(),
    configFiles: z
      .array(absolutePath)
      .max(20)
      .default([])
      .meta({ unit: 'absolute paths' })
      .describe('The server’s config files, which each backup keeps without their secrets, for the day on which the host is lost.'),
  })
  .describe('The running server.')
  .meta({ sample: { address: '127.0.0.1:7401', tokenFile: '/etc/rstow/orders.token', configFiles: ['/etc/rstmdb/config.yaml'] } });

/** What rstow reads of an rstmdb server's own config file. @see rstmdb-server 0.3.0 src/config.rs */
export const serverConfigSchema = z.object({ compaction: z.object({ enabled: z.boolean().optional() }).nullish() });
