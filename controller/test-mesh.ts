/** A controller for tests: the real one, over TLS on loopback, in front of a fake API server. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeApi } from '../core/kube/fake/index.ts';
import { kubeClient, RESOURCES } from '../core/kube/index.ts';
import { createLogger } from '../core/telemetry/index.ts';
import { CaClient, DeltaClient, rpcStatus, type TypeSubscription } from '../core/xds/index.ts';
import { causedBy, type KubeObject, MeshError } from '../mesh/index.ts';
import { type Clock, SYSTEM_CLOCK } from './clock.ts';
import { parseConfig } from './config.ts';
import { type Controller, startController } from './controller.ts';

/** What the API server says about a token. */
export type TokenFacts = {
  readonly namespace?: string;
  readonly serviceAccount?: string;
  readonly username?: string;
  readonly groups?: readonly string[];
  readonly audiences?: readonly string[];
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly authenticated?: boolean;
};

export type TestMesh = AsyncDisposable & {
  readonly api: FakeApi;
  readonly controller: Controller;
  readonly logs: string[];
  readonly tokens: Map<string, TokenFacts>;
  pod(pod: PodSpec): KubeObject;
  ca(o: { readonly token?: string; readonly clusterId?: string; readonly impersonate?: boolean }): CaClient;
  xds(o: {
    readonly token?: string;
    readonly metadata?: Record<string, string>;
    readonly id?: string;
    readonly types?: readonly TypeSubscription[];
  }): XdsClient;
  logged(text: string | RegExp): Promise<void>;
};

export type PodSpec = {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly serviceAccount?: string;
  readonly node?: string;
  readonly phase?: string;
  readonly redirection?: string | undefined;
  readonly labels?: Record<string, string>;
  readonly ip?: string;
};

export type XdsClient = {
  readonly client: DeltaClient;
  /** `+name` and `-name`, by type, in the order of arrival. */
  readonly seen: string[];
  /** The first value of each resource, by name. */
  readonly first: ReadonlyMap<string, Uint8Array>;
  /** The gRPC status that ended the last attempt. */
  refused(): Promise<number>;
};

export async function startMesh(
  env: Record<string, string> = {},
  prepare: (api: FakeApi) => void = () => {},
  clock: Clock = SYSTEM_CLOCK,
): Promise<TestMesh> {
  const api = await FakeApi.start();
  const tokens = new Map<string, TokenFacts>();
  api.intercept = (request) => {
    if (!request.path.endsWith('/tokenreviews')) return undefined;
    const { token, audiences } = (request.body as { spec: { token: string; audiences: string[] } }).spec;
    return { status: 201, body: review(tokens.get(token), audiences) };
  };
  for (const name of ['default', 'istio-system', 'kube-public']) {
    api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  prepare(api);
  const dir = mkdtempSync(join(tmpdir(), 'ambit-controller-'));
  writeFileSync(join(dir, 'config'), api.kubeconfig());
  const client = kubeClient({ kubeconfig: join(dir, 'config'), env: {} });
  const logs: string[] = [];
  let wake = (): void => {};
  const log = createLogger({
    format: 'plain',
    level: 'debug',
    root: 'controller',
    write: (line) => {
      logs.push(line);
      wake();
    },
  });
  const config = parseConfig({
    CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
    POD_NAME: 'istiod-1',
    ROOT_CA_DIR: join(dir, 'cacerts'),
    PILOT_DEBOUNCE_AFTER: '10ms',
    AMBIT_GRPC_PORT: '0',
    AMBIT_WEBHOOK_PORT: '0',
    AMBIT_READY_PORT: '0',
    AMBIT_MONITORING_PORT: '0',
    AMBIT_DEBUG_PORT: '0',
    AMBIT_DRAIN_DEADLINE: '200ms',
    AMBIT_INFORMER_LAG: '50ms',
    ...env,
  });
  const cleanUp = async (): Promise<void> => {
    await client[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  };
  let controller: Controller;
  try {
    controller = await startController(config, { client, log, clock, host: '127.0.0.1' });
  } catch (error) {
    await cleanUp();
    throw error;
  }
  const clients: (Disposable | AsyncDisposable)[] = [];
  const plane = (token: string | undefined, clusterId: string) => ({
    address: `https://127.0.0.1:${controller.ports.grpc}`,
    altHostname: 'istiod.istio-system.svc',
    rootCertificate: async () => Buffer.from(controller.rootPem),
    token: async () => token,
    clusterId,
  });
  return {
    api,
    controller,
    logs,
    tokens,
    pod: (spec) => api.put(podObject(spec)),
    ca({ token = 'ztunnel', clusterId = 'Kubernetes', impersonate = true }) {
      const ca = new CaClient({ ...plane(token, clusterId), impersonate });
      clients.push(ca);
      return ca;
    },
    xds({
      token = 'ztunnel',
      metadata = {},
      types,
      id = 'ztunnel~10.0.0.9~z.istio-system~istio-system.svc.cluster.local',
    }) {
      const seen: string[] = [];
      const first = new Map<string, Uint8Array>();
      const refusal = Promise.withResolvers<number>();
      const xds = new DeltaClient({
        ...plane(token, 'Kubernetes'),
        node: { id, metadata },
        ...(types && { types }),
        handlers: {
          onUpdate(typeUrl, update) {
            const type = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
            for (const { name, bytes } of update.upserted) {
              seen.push(`+${type} ${name}`);
              if (!first.has(name)) first.set(name, bytes);
            }
            for (const name of update.removed) seen.push(`-${type} ${name}`);
            return [];
          },
        },
        onEvent: (event) => {
          if (event.kind !== 'terminated') return;
          const code = rpcStatus(event.error)?.code;
          if (code !== undefined) refusal.resolve(code);
        },
      });
      xds.start();
      clients.push(xds);
      return { client: xds, seen, first, refused: () => refusal.promise };
    },
    async logged(text) {
      const deadline = Date.now() + 15_000;
      const holds = (line: string): boolean => (typeof text === 'string' ? line.includes(text) : text.test(line));
      while (!logs.some(holds)) {
        assert.ok(Date.now() < deadline, `not logged: ${text}\n${logs.join('')}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 50);
        });
      }
    },
    async [Symbol.asyncDispose]() {
      for (const c of clients) {
        if (Symbol.asyncDispose in c) await c[Symbol.asyncDispose]();
        else c[Symbol.dispose]();
      }
      await controller[Symbol.asyncDispose]();
      await cleanUp();
    },
  };
}

/** The gRPC status of a refused certificate request. */
export async function refusal(request: Promise<unknown>): Promise<{ readonly code: number; readonly details: string }> {
  try {
    await request;
  } catch (error) {
    const status = rpcStatus(causedBy(error, MeshError)?.cause);
    assert.ok(status, String(error));
    return { code: status.code, details: status.details };
  }
  assert.fail('the request was granted');
}

export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function podObject(o: PodSpec): KubeObject {
  const redirection = 'redirection' in o ? o.redirection : 'enabled';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: o.name,
      namespace: o.namespace ?? 'default',
      labels: o.labels ?? {},
      ...(o.uid === undefined ? {} : { uid: o.uid }),
      annotations: redirection === undefined ? {} : { 'ambient.istio.io/redirection': redirection },
    },
    spec: { serviceAccountName: o.serviceAccount ?? 'default', nodeName: o.node ?? 'node-1' },
    status: {
      phase: o.phase ?? 'Running',
      podIPs: [{ ip: o.ip ?? '10.244.1.5' }],
      podIP: o.ip ?? '10.244.1.5',
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

/** A ztunnel on a node, with its token under the name `token`. */
export function ztunnelOn(mesh: Pick<TestMesh, 'pod' | 'tokens'>, node: string, token = 'ztunnel'): void {
  const uid = `uid-${token}`;
  const name = `ztunnel-${token}`;
  mesh.pod({
    name,
    namespace: 'istio-system',
    uid,
    serviceAccount: 'ztunnel',
    node,
    redirection: undefined,
    ip: '10.244.9.9',
  });
  mesh.tokens.set(token, { namespace: 'istio-system', serviceAccount: 'ztunnel', pod: { name, uid } });
}

export const CA_ROOT_SECRET = { type: RESOURCES.Secret, key: 'istio-system/istio-ca-secret' } as const;

function review(facts: TokenFacts | undefined, asked: readonly string[]) {
  const status =
    facts === undefined
      ? { authenticated: false, error: 'unknown token' }
      : {
          authenticated: facts.authenticated ?? true,
          audiences: facts.audiences ?? asked,
          user: {
            username: facts.username ?? `system:serviceaccount:${facts.namespace}:${facts.serviceAccount}`,
            groups: facts.groups ?? ['system:serviceaccounts', 'system:authenticated'],
            extra:
              facts.pod === undefined
                ? {}
                : {
                    'authentication.kubernetes.io/pod-name': [facts.pod.name],
                    'authentication.kubernetes.io/pod-uid': [facts.pod.uid],
                  },
          },
        };
  return { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, status };
}
