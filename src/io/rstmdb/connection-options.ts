export type RstmdbTls = {
  /** PEM file with the authorities to trust; without it those of the system. */
  caFile?: string | undefined;
  /** PEM files with this client's own certificate and key, where the server asks for one. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
  /** The name that the server's certificate must carry; without it the host of the address. */
  serverName?: string | undefined;
};

export type RstmdbConnectionOptions = {
  /** `host:port`; an IPv6 host in brackets. */
  address: string;
  /** Read anew for each connection, so that a token can be changed while rstow runs. */
  tokenFile?: string | undefined;
  tls?: RstmdbTls | undefined;
  connectTimeoutMs: number;
  /** How long one request may wait for its answer; it is counted from when it was sent. */
  requestTimeoutMs: number;
  /** Ends the connection and everything that waits on it with the signal's reason. */
  signal?: AbortSignal | undefined;
};
