/** What the ztunnel answers on localhost:15000. */

import type { CertificateDump } from '../../core/certificates/index.ts';
import { type HttpReply, type Logger, loggingRoute, type Route } from '../../core/telemetry/index.ts';
import type { View } from '../../mesh/index.ts';
import type { ZtunnelConfig } from '../config.ts';
import type { DataPlane } from '../threads/data-plane.ts';
import type { PodDump } from '../zds/pod-table.ts';
import { configView } from './config-view.ts';
import { dumpPolicies, dumpServices, dumpWorkloads } from './mesh-dump.ts';

export type AdminDeps = {
  readonly config: ZtunnelConfig;
  readonly view: View;
  readonly certificates: () => readonly CertificateDump[];
  /** Undefined in dedicated mode. */
  readonly pods: (() => Promise<Readonly<Record<string, PodDump>>>) | undefined;
  readonly plane: Pick<DataPlane, 'receipts' | 'receipt' | 'flows'>;
  readonly log: Logger;
  readonly quit: () => void;
};

const MOST_RECEIPTS = 1_024;

const PAGES: readonly (readonly [string, string])[] = [
  ['config_dump', 'what this ztunnel knows: workloads, services, policies, certificates, pods, configuration'],
  ['logging', 'POST: show or change log levels'],
  ['quitquitquit', 'POST: drain and stop'],
  ['receipts', 'why connections were denied; ?id=ID for one'],
  ['flows', 'who talked to whom'],
];

export function adminRoutes(deps: AdminDeps): Readonly<Record<string, Route>> {
  return {
    '/': () => ({ contentType: 'text/html; charset=utf-8', body: index() }),
    '/config_dump': async () => json(await configDump(deps)),
    '/logging': loggingRoute(deps.log.filter),
    '/quitquitquit': {
      methods: ['POST'],
      handle: () => {
        deps.quit();
        return { body: 'shutdown now\n' };
      },
    },
    '/receipts': async ({ query }) => {
      const id = query.get('id');
      if (id === null) return json(await deps.plane.receipts(MOST_RECEIPTS));
      const receipt = await deps.plane.receipt(id);
      if (receipt !== undefined) return json(receipt);
      return { status: 404, body: `no receipt ${id} here: it is of another node, or too old\n` };
    },
    '/flows': async () => json(await deps.plane.flows()),
  };
}

/** Everything, in the reference's shape. */
async function configDump({ config, view, certificates, pods }: AdminDeps) {
  return {
    workloads: dumpWorkloads(view),
    services: dumpServices(view),
    policies: dumpPolicies(view),
    stagedServices: {}, // endpoints whose service is missing wait inside the view
    staticConfig: { workloads: [], policies: [], services: [] },
    version: {
      version: config.version,
      gitRevision: 'unknown',
      runtime: `node ${process.version}`,
      istioVersion: config.version,
      cryptoProvider: `openssl ${process.versions.openssl}`,
    },
    config: configView(config),
    certificates: certificates(),
    ...(pods && { workloadState: await pods() }),
  };
}

function json(value: unknown): HttpReply {
  return { contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}

function index(): string {
  const rows = PAGES.map(([path, what]) => `<tr><td><a href="/${path}">${path}</a></td><td>${what}</td></tr>`);
  return `<!doctype html><title>ztunnel</title><h1>ztunnel</h1><table>${rows.join('')}</table>\n`;
}
