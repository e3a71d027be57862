/** The waypoint's data plane, told what a control plane derives from the objects that a team would write. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Configure, denied, type Job, prefixes } from './job.ts';

const ROOT = join(import.meta.dirname, '../..');
const VIP = '10.96.0.10';
/** What CONNECT names. */
export const AUTHORITY = `${VIP}:80`;

const inShop = (name: string, more: object = {}) => ({ name, namespace: 'shop', ...more });
const toCart = { group: '', kind: 'Service', name: 'cart' };
const redirected = { annotations: { 'ambient.istio.io/redirection': 'enabled' } };

/** An HTTPRoute has 16 rules at the most: each prefix is a route of its own. */
function objectsOf(job: Job): readonly object[] {
  const routes = prefixes(job).map((value, i) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: inShop(`route-${i}`),
    spec: {
      parentRefs: [toCart],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value } }], backendRefs: [{ name: 'cart', port: 80 }] }],
    },
  }));
  const policies = denied(job).map((path, i) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: inShop(`policy-${i}`),
    spec: { targetRefs: [toCart], action: 'DENY', rules: [{ to: [{ operation: { paths: [`${path}*`] } }] }] },
  }));
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { 'istio.io/use-waypoint': 'waypoint' } },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: inShop('waypoint'),
      spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
      status: { addresses: [{ type: 'Hostname', value: 'waypoint.shop.svc.cluster.local' }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: inShop('cart'),
      spec: {
        clusterIP: VIP,
        selector: { app: 'cart' },
        ports: [{ name: 'http', port: 80, targetPort: job.upstream }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: inShop('cart-1', { labels: { app: 'cart' }, ...(job.mode === 'hbone' ? redirected : {}) }),
      spec: { nodeName: 'node-1', serviceAccountName: 'cart', containers: [{ name: 'c' }] },
      status: {
        phase: 'Running',
        podIPs: [{ ip: job.mode === 'hbone' ? job.podIp : '127.0.0.1' }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    },
    ...routes,
    ...policies,
  ];
}

export const ambitL7: Configure = (job) => {
  writeFileSync(
    join(job.dir, 'objects.yaml'),
    objectsOf(job)
      .map((object) => stringify(object))
      .join('---\n'),
  );
  const program = join(ROOT, 'bench/l7/ambit-proxy.ts');
  return {
    command: join(ROOT, 'scripts/node.sh'),
    args: ['--expose-gc', '--max-semi-space-size=4', program, job.mode, job.dir], // as waypoints are started
    env: { PORT: String(job.port), AUTHORITY, AMBIT_WAYPOINT_PORT: '0', AMBIT_WAYPOINT_ACCESS_LOG: 'text' },
    serving: /serving (\d+)/,
  };
};
