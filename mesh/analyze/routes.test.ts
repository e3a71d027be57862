import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { exactly, httpMatch, named, path } from '../route/test-routes.ts';
import { covers } from './route-shadows.ts';
import { ambient, cases, object, service } from './test-support.ts';

const GROUP = 'gateway.networking.k8s.io/v1';
const USES = { 'istio.io/use-waypoint': 'gate' };
const GATE: KubeObject = {
  ...object(GROUP, 'Gateway', 'shop/gate', {
    gatewayClassName: 'istio-waypoint',
    listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
  }),
  status: { addresses: [{ type: 'IPAddress', value: '10.96.9.9' }] },
};
const CART = service('shop/cart', {
  ports: [
    { port: 80, name: 'http' },
    { port: 9, name: 'tcp-x' },
  ],
});
const NEXT = service('shop/next', { ports: [{ port: 80, name: 'http' }] });
const MESH = [ambient('shop', USES), GATE, CART, NEXT];
const to = (name: string, port = 80) => ({ backendRefs: [{ name, port }] });
const at = (value: string, type = 'PathPrefix') => ({ matches: [{ path: { type, value } }] });
const route = (
  name: string,
  rules: readonly object[],
  o: { readonly kind?: string; readonly parent?: object; readonly second?: number } = {},
) =>
  object(
    GROUP,
    o.kind ?? 'HTTPRoute',
    `shop/${name}`,
    { parentRefs: [{ group: '', kind: 'Service', name: 'cart', ...o.parent }], rules },
    { creationTimestamp: `2026-01-01T00:00:0${o.second ?? 1}Z` },
  );

const INVALID = cases(
  ['IST0106', 'AMB0108', 'AMB0716', 'IST0133'],
  [
    [
      'what can not be read is told by its field',
      [...MESH, route('r', [{ ...at('(', 'RegularExpression'), ...to('next') }])],
      ['IST0106 HTTPRoute shop/r spec.rules[0].matches[0].path.value'],
    ],
    ['what a condition of the route says is told by it alone', [ambient('shop'), CART, route('r', [to('gone')])], []],
    [
      'a DestinationRule without effect',
      [
        ...MESH,
        object('networking.istio.io/v1', 'DestinationRule', 'shop/d', { host: 'cart', subsets: [{ name: 'a' }] }),
      ],
      ['AMB0716 DestinationRule shop/d spec.subsets'],
    ],
    [
      'a Telemetry that asks what nobody knows',
      [
        ...MESH,
        object('telemetry.istio.io/v1', 'Telemetry', 'shop/t', { accessLogging: [{ filter: { expression: 'a.b' } }] }),
      ],
      ['AMB0716 Telemetry shop/t spec.accessLogging[0].filter.expression'],
    ],
  ],
);

const CASES = cases(
  ['AMB0711', 'AMB0712', 'AMB0713', 'AMB0714', 'AMB0715'],
  [
    ['a route that is in force', [...MESH, route('r', [to('next')])], []],
    [
      'a route of a Gateway is no matter of the mesh',
      [...MESH, route('r', [to('gone')], { parent: { kind: 'Gateway', group: 'gateway.networking.k8s.io' } })],
      [],
    ],
    [
      'a route without a waypoint',
      [ambient('shop'), CART, NEXT, route('r', [to('next')])],
      ['AMB0711 HTTPRoute shop/r spec.parentRefs[0]'],
    ],
    [
      'a route whose waypoint is not there',
      [ambient('shop', USES), CART, NEXT, route('r', [to('next')])],
      ['AMB0711 HTTPRoute shop/r spec.parentRefs[0]'],
    ],
    [
      'a parent that does not exist',
      [...MESH, route('r', [to('next')], { parent: { name: 'card' } })],
      ['AMB0712 HTTPRoute shop/r spec.parentRefs[0]'],
    ],
    [
      'a port that the parent does not have',
      [...MESH, route('r', [to('next')], { parent: { port: 81 } })],
      ['AMB0712 HTTPRoute shop/r spec.parentRefs[0]'],
    ],
    [
      'HTTP for a port that is TCP',
      [...MESH, route('r', [to('next')], { parent: { port: 9 } })],
      ['AMB0712 HTTPRoute shop/r spec.parentRefs[0]'],
    ],
    ['a backend that does not exist', [...MESH, route('r', [to('gone')])], ['AMB0713 HTTPRoute shop/r spec.rules']],
    ['a backend without that port', [...MESH, route('r', [to('next', 81)])], ['AMB0713 HTTPRoute shop/r spec.rules']],
    [
      'a backend of another namespace, without a grant',
      [
        ...MESH,
        service('office/s', { ports: [{ port: 80, name: 'http' }] }),
        route('r', [{ backendRefs: [{ name: 's', namespace: 'office', port: 80 }] }]),
      ],
      ['AMB0713 HTTPRoute shop/r spec.rules'],
    ],
    [
      'a match that can not be had, beside one that can',
      [...MESH, route('r', [{ ...at('(', 'RegularExpression'), ...to('next') }, to('next')])],
      ['AMB0714 HTTPRoute shop/r spec.rules'],
    ],

    [
      'rules for different paths',
      [
        ...MESH,
        route('r', [
          { ...at('/a'), ...to('next') },
          { ...at('/b'), ...to('next') },
        ]),
      ],
      [],
    ],
    ['a narrower rule comes first by itself', [...MESH, route('r', [to('next'), { ...at('/b'), ...to('next') }])], []],
    [
      'a rule that is written twice',
      [
        ...MESH,
        route('r', [
          { ...at('/a'), ...to('next') },
          { ...at('/a'), ...to('cart') },
        ]),
      ],
      ['AMB0715 HTTPRoute shop/r spec.rules[1]'],
    ],
    [
      'a younger route for the same',
      [...MESH, route('old', [to('next')]), route('a-new', [to('cart')], { second: 2 })],
      ['AMB0715 HTTPRoute shop/a-new spec.rules[0]'],
    ],
    [
      'on another port',
      [
        ...MESH,
        route('old', [to('next')], { parent: { port: 80 } }),
        route('new', [to('next', 80)], { kind: 'TCPRoute', parent: { port: 9 } }),
      ],
      [],
    ],
    [
      'one of two matches',
      [
        ...MESH,
        route('r', [
          { ...at('/a'), ...to('next') },
          { matches: [...at('/a').matches, ...at('/c').matches], ...to('cart') },
        ]),
      ],
      ['AMB0715 HTTPRoute shop/r spec.rules[1]'],
    ],
    [
      'a second TCPRoute',
      [
        ...MESH,
        route('a', [to('next')], { kind: 'TCPRoute' }),
        route('b', [to('next')], { kind: 'TCPRoute', second: 2 }),
      ],
      ['AMB0715 TCPRoute shop/b spec.rules[0]'],
    ],
  ],
);
for (const { name, got, want } of [...INVALID, ...CASES]) test(name, () => assert.deepEqual(got(), want));

const header = (name: string, value: string) => named(name, exactly(value));
const coverings: readonly [string, Parameters<typeof httpMatch>[0], Parameters<typeof httpMatch>[0], boolean][] = [
  ['anything covers a path', {}, { path: path('EXACT', '/a') }, true],
  ['a path does not cover anything', { path: path('EXACT', '/a') }, {}, false],
  ['the root covers everything', { path: path('SEGMENTS', '/') }, { path: path('REGEX', '.*') }, true],
  ['segments cover what is below', { path: path('SEGMENTS', '/a') }, { path: path('SEGMENTS', '/a/b') }, true],
  [
    'segments cover themselves, with a slash or without',
    { path: path('SEGMENTS', '/a/') },
    { path: path('EXACT', '/a') },
    true,
  ],
  ['segments do not cover a longer word', { path: path('SEGMENTS', '/a') }, { path: path('EXACT', '/ab') }, false],
  [
    'segments do not cover a prefix by characters',
    { path: path('SEGMENTS', '/a') },
    { path: path('PREFIX', '/a') },
    false,
  ],
  ['a prefix covers a longer word', { path: path('PREFIX', '/a') }, { path: path('SEGMENTS', '/ab') }, true],
  [
    'a prefix with a slash does not cover the segment itself',
    { path: path('PREFIX', '/a/') },
    { path: path('SEGMENTS', '/a') },
    false,
  ],
  ['in either case, in one case', { path: path('EXACT', '/A', true) }, { path: path('EXACT', '/a') }, true],
  ['in one case, in either case', { path: path('EXACT', '/a') }, { path: path('EXACT', '/a', true) }, false],
  ['a pattern covers itself', { path: path('REGEX', '/a+') }, { path: path('REGEX', '/a+') }, true],
  ['a pattern may not cover another', { path: path('REGEX', '/a+') }, { path: path('REGEX', '/aa') }, false],
  ['a method covers itself alone', { method: exactly('GET') }, { method: exactly('POST') }, false],
  [
    'fewer headers cover more',
    { headers: [header('a', '1')] },
    { headers: [header('b', '2'), header('a', '1')] },
    true,
  ],
  [
    'more headers do not cover fewer',
    { headers: [header('a', '1'), header('b', '2')] },
    { headers: [header('a', '1')] },
    false,
  ],
  ['one namespace of callers does not cover all', { sourceNamespace: 'shop' }, {}, false],
];
for (const [name, wide, narrow, expected] of coverings) {
  test(`of matches: ${name}`, () => assert.equal(covers(httpMatch(wide), httpMatch(narrow)), expected));
}
