/** Meshes of policies, and requests to them, made at random; and smaller ones, of something that went wrong. */
import type { KubeObject, MeshConfig, PathNormalization } from '../../../mesh/index.ts';
import { OPA } from './actions.ts';
import { ap, CART, CLASS, dry, ENTRY, GATEWAY, tokens } from './case.ts';
import { KEYS } from './mesh.ts';

export type RandomMesh = { readonly objects: readonly KubeObject[]; readonly config: Partial<MeshConfig> };
type Values = Readonly<Record<string, readonly string[]>>;

const SOURCES: Values = {
  principals: ['cluster.local/ns/web/sa/client', 'cluster.local/ns/office/*', '*/sa/boss', '*'],
  requestPrincipals: ['me/alice', 'me/*', '*/bob', '*'],
  namespaces: ['web', 'off*', '*', 'o*ice'],
  serviceAccounts: ['web/client', 'office/boss', 'boss'],
  trustDomains: ['cluster.local', 'other', '*'],
  ipBlocks: ['10.0.0.200', '10.0.0.200/31', '0.0.0.0/0', '::/0'],
  remoteIpBlocks: ['10.0.0.201', '10.0.0.0/24'],
};
const OPERATIONS: Values = {
  hosts: ['a.example', '*.example', 'A.example:81', 'a.*', '*:81', '*', 'cart.shop.svc.cluster.local'],
  ports: ['80', '81', '8080'],
  methods: ['GET', 'P*', '*T', '*', 'get'],
  paths: [
    '/',
    '/a',
    '/a/b',
    '/a*',
    '*/b',
    '*b.png',
    '*',
    '/a/{*}',
    '/{*}/b',
    '/a/{**}',
    '/a/{*}/{**}/b',
    '/a%2Fb',
    '/{*}.png',
  ],
};
const CONDITIONS: Values = {
  'source.ip': ['10.0.0.200', '10.0.0.0/24'],
  'source.namespace': ['web', '*'],
  'source.principal': ['cluster.local/ns/web/*', '*'],
  'destination.ip': ['10.0.0.100', '10.0.0.101'],
  'destination.port': ['80', '81'],
  'connection.sni': ['a.example', '*'],
  'request.headers[x-a]': ['1', '2', '1, 2', '1*', '*2', '*'],
  'request.headers[X-B]': ['1', '*'],
  'request.headers[host]': ['a.example', '*.example'],
  'request.headers[x-role]': ['admin', '*'],
  'request.headers[x-forwarded-for]': ['10.0.0.200', '*', '1.2.3.4*'],
  'request.headers[content-length]': ['*', '0'],
  'request.auth.principal': ['me/alice', 'me/*', '*'],
  'request.auth.audiences': ['bank', 'https://shop.example/', 'shop.example', '*'],
  'request.auth.presenter': ['app', '*'],
  'request.auth.claims[groups]': ['dev', 'o*', '*'],
  'request.auth.claims[realm][role]': ['admin'],
  'request.auth.claims[scope]': ['read', 'read write', '*'],
  'request.auth.claims[level]': ['3', '*'],
  'request.auth.claims[sub]': ['alice', '*'],
};
const NORMALISATIONS: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];
const SEGMENTS = [
  'a',
  'b',
  'A',
  '%61',
  'b.png',
  '.',
  '..',
  '%2e',
  '%2E%2e',
  '',
  'x%2fb',
  'x%5Cb',
  'a\\b',
  '%25',
  '%zz',
  '%00',
  '~;=',
  '%c3%a9',
];
const METHODS = ['GET', 'POST', 'PUT', 'OPTIONS', 'PURGE', 'DELETE'];
const HOSTS = [
  'a.example',
  'A.Example',
  'a.example.',
  'a.example:81',
  'b.a.example',
  'A.EXAMPLE.:81',
  'example',
  '[fd00::1]:81',
  '10.0.0.1',
];
const LINES = ['1', '2', '12', '1, 2', '', '3,1', '"1"'];
const TOKENS = ['alice', 'bob', 'nobody', 'shop', 'bank', 'stranger', 'forged', 'expired', 'malformed'];

/** `random` in [0, 1). */
export class Dice {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  mesh(): RandomMesh {
    const policies = this.#several(1, 3, (n) => this.#policy(`p${n}`));
    const authentications = this.#chance(0.5) ? this.#several(1, 2, (n) => this.#authentication(`j${n}`)) : [];
    const pathNormalization = this.#one(NORMALISATIONS);
    return { objects: [...policies, ...authentications], config: { ...OPA, pathNormalization } };
  }

  /** As rows write it. */
  request(): string {
    const path = `/${this.#several(0, 3, () => this.#one(SEGMENTS)).join('/')}`;
    const target = this.#chance(0.15) ? `${path}?x=/a/b` : path;
    const to = this.#one(['', '', '', ' to cart:81', ' to other', ' to entry']);
    const parts = [
      `${this.#chance(0.3) ? 'boss ' : ''}${this.#one(METHODS)} ${target}${to}`,
      ...(this.#chance(0.4) ? [`host: ${this.#one(HOSTS)}`] : []),
      ...this.#several(0, 2, () => `${this.#one(['x-a', 'X-A', 'x-b'])}: ${this.#one(LINES)}`),
      ...(this.#chance(0.1) ? [`x-role: admin`] : []),
      ...(this.#chance(0.1) ? [`x-forwarded-for: 1.2.3.4`] : []),
      ...(this.#chance(0.1) ? ['origin: http://a', 'access-control-request-method: GET'] : []),
      ...(this.#chance(0.5) ? [`token ${this.#one(TOKENS)}`] : []),
    ];
    return parts.join(' | ');
  }

  #policy(name: string): KubeObject {
    const action = this.#one(['ALLOW', 'ALLOW', 'ALLOW', 'DENY', 'DENY', 'AUDIT', 'CUSTOM'] as const);
    const rules = this.#several(action === 'ALLOW' ? 0 : 1, 3, () => this.#rule());
    const target = this.#one([CART, CART, CART, GATEWAY, ENTRY, CLASS]);
    const spec = { targetRefs: [target], action, rules };
    const path = target === CLASS ? `istio-system/${name}` : name;
    if (action === 'CUSTOM') return ap(path, { ...spec, provider: { name: this.#one(['yes', 'yes', 'nobody']) } });
    return action !== 'AUDIT' && this.#chance(0.2) ? dry(path, spec) : ap(path, spec);
  }

  #rule(): object {
    const from = this.#several(0, 2, () => ({ source: this.#fields(SOURCES) }));
    const to = this.#several(0, 2, () => ({ operation: this.#fields(OPERATIONS) }));
    const when = this.#several(0, 2, () => this.#condition());
    return { ...(from.length > 0 && { from }), ...(to.length > 0 && { to }), ...(when.length > 0 && { when }) };
  }

  #fields(known: Values): object {
    const names = this.#several(1, 2, () => this.#one(Object.keys(known)));
    const written = names.map((name) => {
      const key = this.#chance(0.25) ? `not${name[0]?.toUpperCase()}${name.slice(1)}` : name;
      return [key, this.#several(1, 2, () => this.#one(known[name] ?? []))] as const;
    });
    return Object.fromEntries(written);
  }

  #condition(): object {
    const key = this.#one(Object.keys(CONDITIONS));
    const some = () => this.#several(1, 2, () => this.#one(CONDITIONS[key] ?? []));
    return { key, ...(this.#chance(0.3) ? { notValues: some() } : { values: some() }) };
  }

  #authentication(name: string): KubeObject {
    const rule = {
      issuer: this.#one(['me', 'me', 'you']),
      jwks: KEYS,
      ...(this.#chance(0.2) && { audiences: ['shop.example', 'till'] }),
      ...(this.#chance(0.2) && { presence: 'REQUIRED' }),
      ...(this.#chance(0.3) && { outputClaimToHeaders: [{ header: 'x-role', claim: 'realm.role' }] }),
      ...(this.#chance(0.2) && { forwardOriginalToken: true }),
    };
    return tokens(name, [rule], { targetRefs: [this.#one([CART, GATEWAY])] });
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #one<T>(of: readonly T[]): T {
    return of[Math.floor(this.#random() * of.length)] as T;
  }

  #several<T>(least: number, most: number, make: (n: number) => T): T[] {
    const count = least + Math.floor(this.#random() * (most - least + 1));
    return Array.from({ length: count }, (_, n) => make(n));
  }
}

/** One thing less each: an object, a part of what it wants, or a part of the request. */
export function* smaller<T>({
  objects,
  text,
  ...rest
}: T & { readonly objects: readonly KubeObject[]; readonly text: string }) {
  for (const less of withoutOne(objects)) yield { ...rest, objects: less, text };
  for (const [at, object] of objects.entries()) {
    for (const spec of lessOf(object['spec'])) {
      yield { ...rest, objects: objects.with(at, { ...object, spec } as KubeObject), text };
    }
  }
  const [line = '', ...parts] = text.split(' | ');
  for (const less of withoutOne(parts)) yield { ...rest, objects, text: [line, ...less].join(' | ') };
}

function* lessOf(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    if (value.length > 1) yield* withoutOne(value);
    for (const [at, item] of value.entries()) for (const less of lessOf(item)) yield value.with(at, less);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const { [key]: _, ...others } = value as Readonly<Record<string, unknown>>;
      if (!NEEDED.has(key)) yield others;
      for (const less of lessOf(inner)) yield { ...value, [key]: less };
    }
  }
}

/** Without these it is another policy. */
const NEEDED: ReadonlySet<string> = new Set([
  'targetRefs',
  'jwtRules',
  'kind',
  'group',
  'name',
  'provider',
  'key',
  'source',
  'operation',
  'jwks',
  'issuer',
]);

function* withoutOne<T>(list: readonly T[]): Generator<readonly T[]> {
  for (const at of list.keys()) yield list.toSpliced(at, 1);
}
