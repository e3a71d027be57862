/**
 * The waypoint's data plane beside HTTP proxies in the same place, each with a route by prefix, a denial of /admin, metrics and an access
 * log, on one worker thread. CPU is that of the proxy alone.
 */
import { cpuSeconds, residentBytes } from '../cpu.ts';
import { ambitL7 } from '../l7/ambit.ts';
import { envoyL7 } from '../l7/envoy.ts';
import { type HttpLoad, type HttpResult, httpLoad, NothingAnswered, withoutH2load } from '../l7/h2load.ts';
import type { Configure, Job } from '../l7/job.ts';
import { haproxyL7, nginxL7 } from '../l7/others.ts';
import { Stand, type StartedProxy } from '../l7/stand.ts';
import type { Growth } from '../report.ts';
import { addAll, messageOf, type Suite, type SuiteContext } from './suite.ts';

const KNOWN: Readonly<Record<string, { readonly configure: Configure; readonly modes: readonly Job['mode'][] }>> = {
  ambit: { configure: ambitL7, modes: ['plain', 'hbone'] },
  haproxy: { configure: haproxyL7, modes: ['plain'] },
  nginx: { configure: nginxL7, modes: ['plain'] },
  envoy: { configure: envoyL7, modes: ['plain', 'hbone'] },
};

type Kind = Omit<HttpLoad, 'seconds'> & { readonly name: string };
const ONE_KB = '/cart/items?page=1';
const KINDS: readonly Kind[] = [
  { name: 'HTTP/1.1, 1 KB', version: 1, connections: 32, streams: 1, path: ONE_KB },
  { name: 'HTTP/1.1, 1 KB, 1,000/s', version: 1, connections: 20, streams: 1, path: ONE_KB, rate: 1_000 },
  { name: 'HTTP/2, 1 KB', version: 2, connections: 4, streams: 16, path: ONE_KB },
  { name: 'HTTP/2, 1 KB, 1,000/s', version: 2, connections: 4, streams: 16, path: ONE_KB, rate: 1_000 },
  { name: 'HTTP/1.1, 1 MB', version: 1, connections: 4, streams: 1, path: '/stream' },
  { name: 'HTTP/2, 1 MB', version: 2, connections: 2, streams: 2, path: '/stream' },
];
const WARM_SECONDS = 3;
const SIZES = [1, 100, 1_000];
const MICROSECONDS = 1e6;

type Sample = HttpResult & { readonly cpu: number };

async function once(
  context: SuiteContext,
  proxy: StartedProxy,
  kind: Kind,
  seconds = context.seconds,
): Promise<Sample> {
  const before = cpuSeconds(proxy.pids);
  const result = await httpLoad(context.scratch, proxy.portOf(kind.version), { ...kind, seconds });
  return { ...result, cpu: cpuSeconds(proxy.pids) - before };
}

/**
 * Code is compiled, connections and tunnels are there: what serves for days is compared, and it takes seconds until it runs as then. Who
 * answers nothing meanwhile, beside other work, is measured all the same.
 */
async function warmUp(context: SuiteContext, proxy: StartedProxy, kind: Kind): Promise<void> {
  try {
    await once(context, proxy, kind, Math.min(WARM_SECONDS, 2 * context.seconds));
  } catch (error) {
    if (!(error instanceof NothingAnswered)) throw error;
  }
}

function tell(context: SuiteContext, who: string, name: string, kind: Kind, { requests, p50, p99, cpu }: Sample): void {
  const at = { suite: 'l7', name };
  const times = [['p50', 'us', 'lower', p50] as const, ['p99', 'us', 'lower', p99] as const];
  if (kind.rate === undefined) addAll(context, who, at, [['requests', '/s', 'higher', requests / context.seconds]]);
  addAll(context, who, at, [
    ...times,
    ['CPU a request', 'us', 'lower', (cpu / requests) * MICROSECONDS],
    ['requests a CPU second', '/s', 'higher', requests / cpu],
  ]);
}

async function compare(context: SuiteContext, stand: Stand, mode: Job['mode']): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const started = new Map<string, StartedProxy>();
  for (const { name } of context.peers) {
    const known = KNOWN[name];
    if (!known?.modes.includes(mode)) continue;
    try {
      const proxy = stack.use(await stand.start(name, known.configure, { mode, routes: 1, policies: 1 }));
      for (const kind of KINDS) await warmUp(context, proxy, kind);
      started.set(name, proxy);
    } catch (error) {
      context.skip(`${name} as ${mode} proxy: ${messageOf(error)}`);
    }
  }
  for (let round = 0; round < context.rounds; round++) {
    for (const kind of KINDS) {
      for (const [name, proxy] of started) {
        try {
          tell(context, name, `${mode}, ${kind.name}`, kind, await once(context, proxy, kind));
        } catch (error) {
          context.skip(`${name} as ${mode} proxy, ${kind.name}, round ${round + 1}: ${messageOf(error)}`);
        }
      }
    }
    for (const [name, { pids }] of started) {
      const bytes = pids.map(residentBytes).reduce((sum, each) => sum + each, 0);
      addAll(context, name, { suite: 'l7', name: `${mode}, after all that` }, [
        ['resident', 'MB', 'lower', bytes / 1e6],
      ]);
    }
  }
}

/** CPU of a small request while there is more and more that does not match it. */
async function grow(context: SuiteContext, stand: Stand, what: 'routes' | 'policies'): Promise<void> {
  const [kind] = KINDS;
  if (kind === undefined) return;
  for (const { name } of context.peers) {
    if (name !== 'ambit' && name !== 'envoy') continue;
    const { configure } = KNOWN[name] ?? {};
    if (configure === undefined) continue;
    for (const size of SIZES) {
      try {
        const asked = { mode: 'plain', routes: 1, policies: 1, [what]: size } as const;
        await using proxy = await stand.start(name, configure, asked);
        await warmUp(context, proxy, kind);
        const growth: Growth = { of: `a request among ${what}`, by: what, at: size };
        const metric = { suite: 'l7', name: `among ${size.toLocaleString('en')} ${what}`, growth } as const;
        for (let round = 0; round < context.rounds; round++) {
          const { cpu, requests } = await once(context, proxy, kind);
          const value = (cpu / requests) * MICROSECONDS;
          context.samples.add({ ...metric, metric: 'CPU a request', unit: 'us', better: 'lower' }, name, value);
        }
      } catch (error) {
        context.skip(`${name} among ${size} ${what}: ${messageOf(error)}`);
      }
    }
  }
}

export const l7: Suite = async (context) => {
  const impossible = withoutH2load();
  if (impossible !== undefined) return context.skip(`l7: ${impossible}`);
  await using stand = await Stand.create(context.scratch);
  for (const mode of ['plain', 'hbone'] as const) await compare(context, stand, mode);
  for (const what of ['routes', 'policies'] as const) await grow(context, stand, what);
};
