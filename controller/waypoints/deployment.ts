/** The Deployment of a waypoint (controller.md section 4.4). */
import type { KubeObject } from '../../mesh/index.ts';
import { GATEWAY_NAME, LOG_LEVEL, METRICS_PORT, PROXY_IMAGE, REVISION, STATUS_PORT } from './names.ts';
import { type Common, metadataOf, type Names, type WaypointSettings } from './plan.ts';
import type { WaypointWish } from './wish.ts';

const GRACE_SECONDS = 30;
/** Half of it is left when the kubelet renews it. */
const TOKEN_SECONDS = 43_200;
const START_DEADLINE_SECONDS = 30;
/** Nobody; owns its own files alone. */
const USER = 1337;

export function deploymentOf(wish: WaypointWish, settings: WaypointSettings, names: Names, common: Common): KubeObject {
  const metadata = metadataOf(names.service, common);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      selector: { matchLabels: { [GATEWAY_NAME]: wish.name } },
      // The new pod serves before the old one drains.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: {
          labels: {
            'sidecar.istio.io/inject': 'false',
            'istio.io/dataplane-mode': 'none',
            'service.istio.io/canonical-name': names.service,
            'service.istio.io/canonical-revision': 'latest',
            ...metadata.labels,
          },
          annotations: {
            ...metadata.annotations,
            [REVISION]: settings.revision || 'default',
            'prometheus.io/scrape': 'true',
            'prometheus.io/port': String(METRICS_PORT),
            'prometheus.io/path': '/stats/prometheus',
          },
        },
        spec: {
          serviceAccountName: names.account,
          // It knows nothing of the Kubernetes API; the one token that it has is for the controller.
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: GRACE_SECONDS,
          containers: [container(wish, settings)],
          volumes: [
            {
              name: 'istio-token',
              projected: {
                sources: [
                  {
                    serviceAccountToken: {
                      path: 'istio-token',
                      expirationSeconds: TOKEN_SECONDS,
                      audience: 'istio-ca',
                    },
                  },
                ],
              },
            },
            { name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } },
            { name: 'tmp', emptyDir: {} },
          ],
        },
      },
    },
  };
}

function container({ annotations }: WaypointWish, settings: WaypointSettings) {
  const ready = { httpGet: { path: '/healthz/ready', port: STATUS_PORT }, periodSeconds: 1 };
  return {
    name: 'istio-proxy',
    image: annotations[PROXY_IMAGE] ?? settings.image,
    // What starting needed is given back (core/threads/settle.ts), and with a small young generation a connection holds half.
    command: [
      '/opt/ambit/scripts/node.sh',
      '--expose-gc',
      '--max-semi-space-size=4',
      '/opt/ambit/dist/waypoint/main.js',
    ],
    args: ['proxy', 'waypoint'],
    workingDir: '/',
    ports: [
      { name: 'metrics', containerPort: METRICS_PORT, protocol: 'TCP' },
      { name: 'status-port', containerPort: STATUS_PORT, protocol: 'TCP' },
    ],
    startupProbe: { ...ready, failureThreshold: START_DEADLINE_SECONDS },
    readinessProbe: ready,
    env: environment(settings, annotations[LOG_LEVEL] ?? 'info'),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'istiod-ca-cert', mountPath: '/var/run/secrets/istio' },
      { name: 'istio-token', mountPath: '/var/run/secrets/tokens' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function environment(settings: WaypointSettings, logLevel: string) {
  const controller = `istiod.${settings.namespace}.svc:15012`;
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return [
    { name: 'CA_ADDRESS', value: controller },
    { name: 'XDS_ADDRESS', value: controller },
    { name: 'ISTIO_META_CLUSTER_ID', value: settings.clusterId },
    ...(settings.network === '' ? [] : [{ name: 'NETWORK', value: settings.network }]),
    { name: 'CLUSTER_DOMAIN', value: settings.clusterDomain },
    { name: 'TRUST_DOMAIN', value: settings.trustDomain },
    { name: 'TERMINATION_GRACE_PERIOD_SECONDS', value: String(GRACE_SECONDS) },
    { name: 'RUST_LOG', value: logLevel },
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('NODE_NAME', 'spec.nodeName'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
  ];
}
