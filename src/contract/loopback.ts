const LOOPBACK = /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?$/i;

/**
 * What a gRPC client needs to reach the address: nothing on the loopback interface is behind a proxy, whatever
 * https_proxy says and no_proxy forgets.
 */
export function channelArgsOf(address: string): Record<string, number> {
  return LOOPBACK.test(address) ? { 'grpc.enable_http_proxy': 0 } : {};
}
