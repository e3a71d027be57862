/** What the waypoint answers on localhost:15000. */
import type { CertificateManager } from '../core/certificates/index.ts';
import { type HttpReply, type Logger, loggingRoute, type Route } from '../core/telemetry/index.ts';
import type { WaypointConfig } from './config.ts';
import type { Told } from './told.ts';

export type AdminDeps = {
  readonly config: WaypointConfig;
  readonly told: Told;
  readonly certificates: Pick<CertificateManager, 'dump'>;
  readonly log: Logger;
  readonly quit: () => void;
};

export function adminRoutes({ config, told, certificates, log, quit }: AdminDeps): Readonly<Record<string, Route>> {
  return {
    '/config_dump': () =>
      json({
        version: config.version,
        config: { ...config, token: { kind: config.token.kind } },
        gateway: told.gateway,
        services: Object.fromEntries(told.services()),
        workloads: [...told.view.workloads()].map(({ uid, addresses, status }) => ({ uid, addresses, status })),
        certificates: certificates.dump(),
      }),
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

function json(value: unknown): HttpReply {
  return { contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}
