/** What a waypoint on real sockets does with a request, in the words of the table, and what it has told of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import {
  DEFAULT_MESH_CONFIG,
  type DryRunHit,
  formatBecause,
  type KubeObject,
  type MeshConfig,
} from '../../../mesh/index.ts';
import { eventually } from '../../support/netns.ts';
import { WaypointWorld } from '../../waypoint/world.ts';
import { parseMetrics } from '../../ztunnel/support/metrics.ts';
import { CALLERS, type Case, type Request, SERVICES } from './case.ts';
import { CALLER_ADDRESSES, Issuer, MESH, placed, VIPS } from './mesh.ts';
import type { Predicted } from './prediction.ts';

const USUAL: Partial<MeshConfig> = {};
const MESH_OBJECTS = parseAllDocuments(MESH).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);

/** What the tap told, as far as rows ask. */
type Told = {
  readonly status: number;
  readonly details: string;
  readonly policy?: undefined | { readonly verdict: string; readonly because: string };
  readonly receipt?: string;
};

export class L7World {
  readonly #world: WaypointWorld;
  readonly #issuer: Issuer;
  readonly #ports = new Map<string, Promise<number>>();
  #toldOf: (told: Told) => void = () => {};
  #applied: readonly KubeObject[] = [];
  #config: Partial<MeshConfig> = USUAL;

  private constructor(world: WaypointWorld, issuer: Issuer) {
    this.#world = world;
    this.#issuer = issuer;
    const write = (line: string) => {
      this.#toldOf(JSON.parse(line) as Told);
      return true;
    };
    const none = { service: undefined, status: undefined, path: undefined, method: undefined };
    world.plane.taps.open(none, Number.POSITIVE_INFINITY, { write, end: () => {} });
  }

  static async start(t: Pick<TestContext, 'after'>): Promise<L7World> {
    const issuer = await Issuer.create();
    const world = await WaypointWorld.start(t, { yaml: MESH });
    for (const n of [1, 2, 4]) await world.http(n, 8080, (_, res) => res.end('served'));
    await world.tcp(1, 9090, (socket) => void socket.pipe(socket));
    await world.http(3, 8000, (req, res) => res.writeHead(req.url?.startsWith('/yes') ? 200 : 403).end());
    return new L7World(world, issuer);
  }

  /** These and the mesh itself, as they are here. */
  objectsOf({ objects }: Pick<Case, 'objects'>): readonly KubeObject[] {
    return placed([...MESH_OBJECTS, ...objects], this.#prefix, this.#issuer.jwks);
  }

  /** In place of those of the row before. */
  async apply({ objects, config = USUAL }: Pick<Case, 'objects' | 'config'>): Promise<void> {
    for (const { kind, metadata } of this.#applied) this.#world.remove(kind, `${metadata.namespace}/${metadata.name}`);
    this.#applied = objects;
    if (config !== this.#config) await this.#world.reconfigure(config);
    this.#config = config;
    const here = placed(objects, this.#prefix, this.#issuer.jwks);
    await this.#world.apply(here.map((object) => JSON.stringify(object)).join('\n---\n'));
  }

  async ask(request: Request): Promise<Enforced> {
    return request.method === 'TCP' ? this.#connect(request) : this.#request(request);
  }

  async #request(request: Request): Promise<Enforced> {
    const before = this.#counted();
    const { promise: told, resolve, reject } = Promise.withResolvers<Told>();
    this.#toldOf = resolve;
    const answer = await sendRaw(await this.#through(request), this.#bytesOf(request));
    const late = setTimeout(
      () => reject(new Error(`nothing is told of ${request.text}: ${answer.status}`)),
      DEADLINE_MS,
    );
    const { status, details, policy, receipt: id } = await told.finally(() => clearTimeout(late));
    assert.equal(status, answer.status, request.text);
    const receipt = id === undefined ? undefined : this.#world.plane.receipts.get(id);
    return {
      says: wordsOf({ status, details, policy }),
      because: shortly(policy?.because ?? formatBecause('no-allow-policies')),
      considered: receipt?.considered,
      nearestMiss: receipt?.nearestMiss,
      counted: differences(before, this.#counted()),
    };
  }

  async #connect(request: Request): Promise<Enforced> {
    const [since, before] = [this.#world.logs.length, this.#counted()];
    const socket = connect({ host: '127.0.0.1', port: await this.#through(request) });
    socket.on('error', () => {});
    socket.write('hello');
    const isServed = await new Promise<boolean>((resolve) => {
      socket.setTimeout(DEADLINE_MS, () => socket.destroy());
      socket.on('data', () => resolve(true)).on('close', () => resolve(false));
    });
    socket.destroy();
    const counted = differences(before, this.#counted());
    if (isServed) return { says: 'allow', because: undefined, counted };
    const details = /"connection_termination_details":"((?:[^"\\]|\\.)*)"/;
    const why = () => this.#world.logs.slice(since).flatMap((line) => details.exec(line)?.[1] ?? []);
    await eventually('the waypoint logs why', () => why().length > 0);
    const because = why()[0] ?? '';
    const [receipt] = this.#world.plane.receipts.latest(1);
    assert.equal(receipt?.because, because);
    const { considered, nearestMiss } = receipt ?? {};
    return { says: `deny ${reasonIn(because)}`, because: shortly(because), considered, nearestMiss, counted };
  }

  /** As it is written, whatever it is. */
  #bytesOf({ method, target, service, port, headers, token }: Request): string {
    const host = service === 'entry' ? SERVICES[service] : `${service}.shop.svc.${DEFAULT_MESH_CONFIG.clusterDomain}`;
    const hasHost = headers.some(([name]) => name.toLowerCase() === 'host');
    const lines = [
      `${method} ${target} HTTP/1.1`,
      ...(hasHost ? [] : [`host: ${port === 80 ? host : `${host}:${port}`}`]),
      ...headers.map(([name, value]) => `${name}: ${value}`),
      ...(token === undefined ? [] : [`authorization: Bearer ${this.#issuer.text(token)}`]),
      'connection: close',
    ];
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  #through({ from, service, port }: Request): Promise<number> {
    const key = `${from} ${service}:${port}`;
    let found = this.#ports.get(key);
    if (found === undefined) {
      found = this.#world.through(CALLERS[from], `10.0.0.${VIPS[service]}:${port}`, CALLER_ADDRESSES[from]);
      this.#ports.set(key, found);
    }
    return found;
  }

  get #prefix(): string {
    return this.#world.ip(0).slice(0, -1);
  }

  /** What policies have counted, by what the samples say. */
  #counted(): ReadonlyMap<string, number> {
    const text = this.#world.metrics().match(COUNTERS)?.join('\n') ?? '';
    return new Map(parseMetrics(text).map(({ labels, value }) => [Object.values(labels).join(' '), value]));
  }
}

const DEADLINE_MS = 5_000;
const COUNTERS = /^ambit_policy_(?:audited|dry_run)_total\{.*$/gm;

export type Enforced = {
  /** As far as an answer tells: the verdict, and the rule. */
  readonly says: string;
  /** As logs and taps have it. */
  readonly because: string | undefined;
  readonly considered?: readonly string[] | undefined;
  readonly nearestMiss?: unknown;
  /** By labels, what this request has added to. */
  readonly counted: readonly string[];
};

export type Expected = Pick<Enforced, 'says'> & Partial<Enforced>;

/** Of what was found what is expected, and no more. */
export function foundOf(enforced: Enforced, expected: Expected): Expected {
  const entries = Object.keys(expected).map((key) => [key, enforced[key as keyof Enforced]]);
  return Object.fromEntries(entries) as Expected;
}

/** What was predicted: what the two must agree on. */
export function expectedOf({ method }: Request, { says, http }: Predicted): Expected {
  if (http === undefined || /^(?:refused|asks|answers) /.test(says)) return { says };
  const { verdict, because, considered, nearestMiss, audited = [], dryRunHits = [] } = http;
  const counted = [...audited.map(({ policy, rule }) => `${policy} ${rule}`), ...dryRunHits.map(labelsOf)];
  const told = { says: inShort(says), because: formatBecause(because), counted: counted.sort() };
  if (verdict === 'allow') return method === 'TCP' ? { says: 'allow', counted: told.counted } : told;
  return { ...told, considered, ...(nearestMiss && { nearestMiss }) };
}

/** The verdict and its reason, without what else a row tells. */
export const inShort = (says: string): string => says.split(/ \(|, /)[0] ?? '';

const labelsOf = ({ policy, rule, action, would }: DryRunHit) => `${policy} ${rule ?? ''} ${action} ${would}`;

function wordsOf({ status, details, policy }: Told): string {
  const reason = policy?.because ?? formatBecause('no-allow-policies');
  const [, asking] = /^policy (\S+, rule \d+), asks \S+: it answered/.exec(reason) ?? [];
  if (asking !== undefined) return `asks ${asking.replace(', rule ', '#')}`;
  if (status === 400 || details.startsWith('jwt_authn')) return `refused ${status}`;
  if (status !== 200 && status !== 403) return `answers ${status}`;
  return `${status === 200 ? 'allow' : 'deny'} ${reasonIn(reason)}`;
}

/** Without what is said further of an authorizer. */
const shortly = (because: string): string => because.replace(/^(policy \S+, rule \d+)[,:].*/, '$1');

const reasonIn = (because: string): string => ruleIn(because) ?? REASONS.get(because) ?? because;

function ruleIn(reason: string): string | undefined {
  const [, policy, rule] = /^policy (\S+), rule (\d+)/.exec(reason) ?? [];
  return policy && `${policy}#${rule}`;
}

const REASONS: ReadonlyMap<string, string> = new Map(
  (['no-allow-policies', 'no-allow-match'] as const).map((because) => [formatBecause(because), because]),
);

function differences(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): readonly string[] {
  return [...after]
    .filter(([key, value]) => value > (before.get(key) ?? 0))
    .map(([key]) => key)
    .sort();
}

async function sendRaw(port: number, bytes: string): Promise<{ readonly status: number }> {
  const socket = connect({ host: '127.0.0.1', port });
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  socket.write(bytes, 'latin1');
  await once(socket, 'close', { signal: AbortSignal.timeout(DEADLINE_MS) });
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0) };
}
