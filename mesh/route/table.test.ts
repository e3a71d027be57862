import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../test-support.ts';
import { stringTest } from './conditions.ts';
import type { HttpMatch, HttpRouteTable, NamedMatch, StringMatch } from './model.ts';
import { queryParam, type RequestFacts } from './request-facts.ts';
import { compileTable, match, RouteTables } from './table.ts';
import { exactly, named, path, pattern, RandomRoutes, request, tableOf } from './test-routes.ts';

const found = (table: HttpRouteTable, facts: RequestFacts) => match(compileTable(table), facts)?.name;

test('each kind of match decides as the specification says', () => {
  const rows: readonly [string, Partial<HttpMatch>, yes: readonly RequestFacts[], no: readonly RequestFacts[]][] = [
    ['no match at all', {}, [request('/'), request('/any?x=1')], []],
    [
      'exact path',
      { path: path('EXACT', '/one') },
      [request('/one'), request('/one?q')],
      [request('/one/'), request('/ONE'), request('/one/two'), request('/on')],
    ],
    [
      'prefix by segment',
      { path: path('SEGMENTS', '/v2') },
      [request('/v2'), request('/v2/'), request('/v2/x')],
      [request('/v2example'), request('/foo/v2/example'), request('/v')],
    ],
    [
      'prefix by segment, written with a slash at its end',
      { path: path('SEGMENTS', '/v2/') },
      [request('/v2'), request('/v2/x')],
      [request('/v2x')],
    ],
    ['prefix /', { path: path('SEGMENTS', '/') }, [request('/'), request('/a'), request('/a/b')], []],
    ['prefix by character', { path: path('PREFIX', '/v2') }, [request('/v2'), request('/v2example')], [request('/v')]],
    [
      'pattern, of the whole path',
      { path: path('REGEX', '/v[0-9]+') },
      [request('/v22'), request('/v2?x')],
      [request('/v2/'), request('/a/v2')],
    ],
    ['path in any case', { path: path('EXACT', '/One', true) }, [request('/oNE')], [request('/oNE/')]],
    [
      'method',
      { method: exactly('POST') },
      [request('/', { method: 'POST' })],
      [request('/'), request('/', { method: 'post' })],
    ],
    [
      'header',
      { headers: [named('version', exactly('two'))] },
      [request('/', { with: { version: 'two' } })],
      [request('/'), request('/', { with: { version: 'Two' } })],
    ],
    [
      'header by pattern',
      { headers: [named('color', pattern('(blue|green)'))] },
      [request('/', { with: { color: 'green' } })],
      [request('/', { with: { color: 'greenish' } })],
    ],
    [
      'header by prefix',
      { headers: [named('x', { kind: 'PREFIX', value: 'ab', ignoreCase: true })] },
      [request('/', { with: { x: 'ABC' } })],
      [request('/', { with: { x: 'cab' } })],
    ],
    [
      'header by suffix',
      { headers: [named('x', { kind: 'SUFFIX', value: 'ab', ignoreCase: false })] },
      [request('/', { with: { x: 'cab' } })],
      [request('/', { with: { x: 'abc' } })],
    ],
    [
      'header is there',
      { headers: [named('x', { kind: 'PRESENT', value: '', ignoreCase: false })] },
      [request('/', { with: { x: '' } })],
      [request('/')],
    ],
    [
      'header is not there',
      { headers: [named('x', { kind: 'PRESENT', value: '', ignoreCase: false }, true)] },
      [request('/')],
      [request('/', { with: { x: '' } })],
    ],
    [
      'header is another',
      { headers: [named('x', exactly('1'), true)] },
      [request('/'), request('/', { with: { x: '2' } })],
      [request('/', { with: { x: '1' } })],
    ],
    [
      'two headers',
      { headers: [named('x', exactly('1')), named('y', exactly('2'))] },
      [request('/', { with: { x: '1', y: '2' } })],
      [request('/', { with: { x: '1' } })],
    ],
    [
      'query parameter',
      { queryParams: [named('animal', exactly('whale'))] },
      [request('/?animal=whale'), request('/a?b&animal=whale&c'), request('/?animal=whale&animal=dog')],
      [
        request('/'),
        request('/?animal=dolphin'),
        request('/?ANIMAL=whale'),
        request('/?animal=dog&animal=whale'),
        request('/?xanimal=whale'),
        request('/?animalx=whale'),
      ],
    ],
    [
      'query parameter by pattern',
      { queryParams: [named('n', pattern('[0-9]+'))] },
      [request('/?n=12')],
      [request('/?n='), request('/?n=1x')],
    ],
    [
      'empty query parameter',
      { queryParams: [named('n', exactly(''))] },
      [request('/?n'), request('/?n='), request('/?n&a')],
      [request('/?n=1')],
    ],
    [
      'client namespace',
      { sourceNamespace: 'a' },
      [request('/', { sourceNamespace: 'a' })],
      [request('/', { sourceNamespace: 'b' })],
    ],
    ['authority', { authority: exactly('a.example') }, [request('/', { authority: 'a.example' })], [request('/')]],
    ['scheme', { scheme: exactly('https') }, [request('/', { scheme: 'https' })], [request('/')]],
    ['a pattern that can not be run', { path: path('REGEX', '(?=a)') }, [], [request('/a')]],
  ];
  for (const [name, wanted, yes, no] of rows) {
    const table = tableOf(wanted);
    for (const facts of yes) assert.equal(found(table, facts), '0', `${name}: ${facts.path}?${facts.query}`);
    for (const facts of no) assert.equal(found(table, facts), undefined, `${name}: not ${facts.path}?${facts.query}`);
  }
});

/** What tables mean, without any cleverness. */
function plainly(table: HttpRouteTable, facts: RequestFacts): string | undefined {
  const holds = (value: string | undefined, { match: wanted, invert }: Omit<NamedMatch, 'name'>) =>
    (value !== undefined && stringTest(wanted)(value)) !== invert;
  const is = (value: string, wanted: StringMatch | undefined) => wanted === undefined || stringTest(wanted)(value);
  const entry = table.entries.find(({ match: m }) => {
    const { kind = 'PREFIX', value = '', ignoreCase = false } = m.path ?? {};
    const fold = (text: string) => (ignoreCase ? text.toLowerCase() : text);
    const at = fold(facts.path);
    const bare = fold(value).replace(/\/$/, '');
    const onPath = {
      EXACT: at === fold(value),
      PREFIX: at.startsWith(fold(value)),
      SEGMENTS: at === bare || at.startsWith(`${bare}/`),
      REGEX: stringTest({ kind: 'REGEX', value, ignoreCase })(facts.path),
    }[kind];
    return (
      onPath &&
      is(facts.method, m.method) &&
      is(facts.authority, m.authority) &&
      is(facts.scheme, m.scheme) &&
      (m.sourceNamespace === '' || m.sourceNamespace === facts.sourceNamespace) &&
      m.headers.every((one) => holds(facts.headers.get(one.name), one)) &&
      m.queryParams.every((one) => holds(queryParam(facts.query, one.name), one))
    );
  });
  return entry && table.actions[entry.action]?.name;
}

test('a compiled table finds in any case the first entry that matches', () => {
  const random = new RandomRoutes(seeded(11));
  let matched = 0;
  for (let round = 0; round < 250; round++) {
    const table = random.table(random.pick([1, 3, 8, 30, 100]));
    const compiled = compileTable(table);
    for (let tries = 0; tries < 25; tries++) {
      const facts = random.request();
      const expected = plainly(table, facts);
      if (expected !== undefined) matched++;
      assert.equal(match(compiled, facts)?.name, expected, JSON.stringify({ table, facts }));
    }
  }
  assert.ok(matched > 1500, 'the tables are about the requests');
});

/** How often a request is looked at while it is matched. */
function looks(
  table: HttpRouteTable,
  facts: RequestFacts,
): { readonly found: string | undefined; readonly looks: number } {
  let count = 0;
  const counted = new Proxy(facts, {
    get: (target, name) => {
      count++;
      return Reflect.get(target, name);
    },
  });
  return { found: found(table, counted), looks: count };
}

test('a request is looked at as often with a thousand routes as with ten', () => {
  const many = (count: number, make: (index: number) => Partial<HttpMatch>) =>
    tableOf(...Array.from({ length: count }, (_, index) => make(index)));
  const last = (count: number) => count - 1;
  const rows: readonly [string, (index: number) => Partial<HttpMatch>, (index: number) => RequestFacts][] = [
    ['exact paths', (i) => ({ path: path('EXACT', `/p/${i}`) }), (i) => request(`/p/${i}`)],
    ['prefixes', (i) => ({ path: path('SEGMENTS', `/p/${i}`) }), (i) => request(`/p/${i}/x`)],
    [
      'patterns that begin differently',
      (i) => ({ path: path('REGEX', `/p${i}x/[a-z]+`) }),
      (i) => request(`/p${i}x/abc`),
    ],
    [
      'values of one header',
      (i) => ({ headers: [named('user', exactly(`u${i}`))] }),
      (i) => request('/', { with: { user: `u${i}` } }),
    ],
    [
      'values of one parameter',
      (i) => ({ queryParams: [named('user', exactly(`u${i}`))] }),
      (i) => request(`/?user=u${i}`),
    ],
    [
      'two headers',
      (i) => ({ headers: [named('a', exactly(`${i % 10}`)), named('b', exactly(`${i}`))] }),
      (i) => request('/', { with: { a: `${i % 10}`, b: `${i}` } }),
    ],
  ];
  for (const [name, make, ask] of rows) {
    const few = looks(many(10, make), ask(last(10)));
    const lots = looks(many(1000, make), ask(last(1000)));
    assert.equal(lots.found, '999', name);
    assert.ok(lots.looks <= few.looks + 2, `${name}: ${few.looks} looks, then ${lots.looks}`);
  }
});

test('a client of a namespace with routes of its own meets these, everybody else the routes for all', () => {
  const table = (clientNamespace: string, name: string): HttpRouteTable => {
    const one = tableOf({});
    return { ...one, clientNamespace, actions: one.actions.map((action) => ({ ...action, name })) };
  };
  const tables = new RouteTables([table('', 'for all'), table('shop', 'for shop')]);
  const meets = (namespace: string) => tables.of(namespace)?.table.actions[0]?.name;
  assert.equal(meets('shop'), 'for shop');
  assert.equal(meets('other'), 'for all');
  assert.equal(meets(''), 'for all');
  assert.equal(new RouteTables([table('shop', 'for shop')]).of('other'), undefined);
});
