/** Meshes made at random, and questions about them, for tests. */
import { authorizationPolicy, kubeService, namespace, peerAuthentication, pod } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import type { MeshModel } from './model.ts';
import { predict } from './predict.ts';
import type { Prediction } from './prediction.ts';

export const NAMESPACES = ['a', 'b', 'c'] as const;
const LABELS = ['x', 'y', 'z'] as const;
const PODS = 12;
const AMBIENT = { labels: { 'istio.io/dataplane-mode': 'ambient' } };

/** Pods with one label each, a service for each label, and a few policies about either. */
export function randomMesh(random: () => number): readonly KubeObject[] {
  const one = <T>(of: readonly [T, ...T[]]): T => of[Math.floor(random() * of.length)] ?? of[0];
  const objects: KubeObject[] = NAMESPACES.map((name) => namespace(name, name === 'c' ? {} : AMBIENT));
  for (let i = 0; i < PODS; i++) {
    const where = one(NAMESPACES);
    const annotations = where === 'c' || random() < 0.1 ? {} : { 'ambient.istio.io/redirection': 'enabled' };
    const fields = { labels: { app: one(LABELS) }, node: `node-${i % 3}`, ready: random() < 0.85, annotations };
    objects.push(
      pod(`${where}/pod-${i}`, { ips: [`10.1.0.${i + 1}`], spec: { serviceAccountName: one(LABELS) }, ...fields }),
    );
  }
  for (const where of NAMESPACES) {
    for (const [i, app] of LABELS.entries()) {
      const local = random() < 0.2 ? { internalTrafficPolicy: 'Local' } : {};
      const spec = {
        selector: { app },
        clusterIP: `10.2.${NAMESPACES.indexOf(where)}.${i + 1}`,
        ports: [{ port: 80, targetPort: 8080 }],
      };
      objects.push(kubeService(`${where}/${app}`, { ...spec, ...local }));
    }
    if (random() < 0.4)
      objects.push(peerAuthentication(`${where}/mode`, { mtls: { mode: one(['STRICT', 'PERMISSIVE']) } }));
  }
  for (let i = 0; i < 4; i++) {
    const source = one<object>([
      { namespaces: [one(NAMESPACES)] },
      { principals: [`cluster.local/ns/${one(NAMESPACES)}/sa/${one(LABELS)}`] },
      { ipBlocks: [`10.1.0.${1 + Math.floor(random() * PODS)}/30`] },
    ]);
    const selector = random() < 0.6 ? { selector: { matchLabels: { app: one(LABELS) } } } : {};
    const action = one(['ALLOW', 'DENY']);
    objects.push(
      authorizationPolicy(`${one(NAMESPACES)}/policy-${i}`, { action, ...selector, rules: [{ from: [{ source }] }] }),
    );
  }
  return objects;
}

/** Verdict and endpoints as a set: `allowed a/pod-1`. */
export function predicted({ cases }: Prediction): ReadonlySet<string> {
  return new Set(
    cases.flatMap(({ verdict, endpoints }) =>
      endpoints.length === 0 ? [`${verdict} `] : endpoints.map((endpoint) => `${verdict} ${endpoint.split(' ')[0]}`),
    ),
  );
}

export const ask = (model: MeshModel, caller: string, service: string) => {
  const [namespaceOf = '', name = ''] = caller.split('/');
  const [serviceNamespace = '', serviceName = ''] = service.split('/');
  return predict(model, {
    from: { kind: 'pod', namespace: namespaceOf, name },
    to: { kind: 'service', namespace: serviceNamespace, name: serviceName, port: 80 },
  });
};
