/** The agent's numbers; names as in cni.md 1.4. */
import { Registry } from '../../core/telemetry/index.ts';

export function agentMetrics() {
  const registry = new Registry();
  const events = registry.counter('nodeagent_reconcile_events', 'Pod events seen by the node agent.', ['type']);
  const requests = registry.counter('istio_cni_plugin_requests', 'Requests of the CNI plugin.', ['response_code']);
  const installs = registry.counter('istio_cni_installs', 'Installations of the CNI plugin.', ['result']);
  const gauges = {
    ztunnels: registry.gauge('ztunnel_connected', 'Open ZDS connections.'),
    installReady: registry.gauge('istio_cni_install_ready', 'Whether the CNI plugin is installed as it should be.'),
    enrolled: registry.gauge('ambit_cni_enrolled_pods', 'Pods of this node in the mesh, by whether all is in place.', [
      'state',
    ]),
    failing: registry.gauge(
      'ambit_cni_enrolment_failing',
      'Pods that should be in the mesh, or out of it, and are not.',
    ),
  };
  let ztunnels = 0;
  let ready = false;
  return {
    registry,
    event: (type: string) => events.labels([type]).inc(),
    request: (code: number) => requests.labels([`${code}`]).inc(),
    install: (result: string) => installs.labels([result]).inc(),
    ztunnels: (count: number) => {
      ztunnels = count;
    },
    installReady: (value: boolean) => {
      ready = value;
    },
    /** Gauges are read when asked for, so that none of them goes stale. */
    collect: (read: () => { readonly complete: number; readonly incomplete: number; readonly failing: number }) =>
      registry.onCollect(() => {
        gauges.ztunnels.labels([]).set(ztunnels);
        gauges.installReady.labels([]).set(ready ? 1 : 0);
        const { complete, incomplete, failing } = read();
        gauges.failing.labels([]).set(failing);
        gauges.enrolled.labels(['complete']).set(complete);
        gauges.enrolled.labels(['incomplete']).set(incomplete);
      }),
  };
}
