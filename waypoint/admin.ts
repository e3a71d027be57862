/** What the waypoint answers on localhost:15000. */
import type { CertificateManager } from '../core/certificates/index.ts';
import { type HttpReply, type Logger, loggingRoute, type Route } from '../core/telemetry/index.ts';
import type { BackendPolicy } from '../mesh/index.ts';
import type { WaypointConfig } from './config.ts';
import type { DataPlane } from './data-plane.ts';
import { tapRoute } from './observe/tap-route.ts';
import type { Told, ToldService } from './told.ts';

export type AdminDeps = {
  readonly config: WaypointConfig;
  readonly told: Told;
  readonly plane: Pick<DataPlane, 'receipts' | 'receipt' | 'requests' | 'tap'>;
  readonly certificates: Pick<CertificateManager, 'dump'>;
  readonly log: Logger;
  readonly quit: () => void;
};

/** Receipts that are listed at once. */
const MOST_RECEIPTS = 100;

export function adminRoutes({
  config,
  told,
  plane,
  certificates,
  log,
  quit,
}: AdminDeps): Readonly<Record<string, Route>> {
  return {
    '/config_dump': () =>
      json({
        version: config.version,
        config: { ...config, token: { kind: config.token.kind } },
        gateway: told.gateway && withoutKeys(told.gateway),
        services: Object.fromEntries([...told.services()].map(([key, service]) => [key, dumped(service)])),
        workloads: [...told.view.workloads()].map(({ uid, addresses, status }) => ({ uid, addresses, status })),
        certificates: certificates.dump(),
      }),
    '/receipts': async ({ query }) => {
      const id = query.get('id');
      if (id === null) return json(await plane.receipts(MOST_RECEIPTS));
      const receipt = await plane.receipt(id);
      return receipt === undefined
        ? { status: 404, body: `no receipt ${id} here: it is of another waypoint, or too old\n` }
        : json(receipt);
    },
    '/flows': async () => json(await plane.requests()),
    '/tap': tapRoute((filter, max, sink) => plane.tap(filter, max, sink)),
    '/logging': loggingRoute(log.filter),
    '/quitquitquit': {
      methods: ['POST'],
      handle: () => {
        quit();
        return { body: 'shutdown now\n' };
      },
    },
  };
}

function dumped(service: ToldService): ToldService {
  return service.kind === 'told' ? { ...service, config: withoutKeys(service.config) } : service;
}

/** Private keys stay where they are used. */
function withoutKeys<T extends { readonly backends: readonly BackendPolicy[] }>(config: T): T {
  const backends = config.backends.map((policy) =>
    policy.tls === undefined || policy.tls.key === '' ? policy : { ...policy, tls: { ...policy.tls, key: 'withheld' } },
  );
  return { ...config, backends };
}

function json(value: unknown): HttpReply {
  return { contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}
