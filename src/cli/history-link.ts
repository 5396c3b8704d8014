import type { TemporalClient } from './temporal-client.ts';

/** Where a person finds the run's history: in the UI if its address is known, else by a command. */
export function historyLink(
  { ui, address, namespace }: Pick<TemporalClient, 'ui' | 'address' | 'namespace'>,
  run: { workflowId: string; runId: string },
): string {
  const { workflowId, runId } = run;
  if (ui === undefined) return `temporal workflow describe -w ${workflowId} --address ${address} --namespace ${namespace}`;
  const [space, workflow] = [namespace, workflowId].map(encodeURIComponent);
  return `${ui.replace(/\/+$/, '')}/namespaces/${space}/workflows/${workflow}/${runId}/history`;
}
