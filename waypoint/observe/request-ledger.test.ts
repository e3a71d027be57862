import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchange, type TestExchange } from '../test-exchange.ts';
import { mergeRequests, RequestLedger } from './request-ledger.ts';

/** A ledger whose clock moves by one second with each request. */
function ledger(maxRows?: number) {
  let nowMs = 0;
  const held = new RequestLedger({ now: () => (nowMs += 1_000), ...(maxRows !== undefined && { maxRows }) });
  const saw = (fields: TestExchange, verdict: 'allow' | 'deny' = 'allow', because = '') => {
    const x = exchange(fields);
    x.standing = 'passed';
    x.because = because;
    if (verdict === 'deny') x.receipt = 'r';
    held.saw(x);
    return x;
  };
  const rows = () => held.rows('shop/waypoint');
  return { held, saw, rows, paths: () => rows().map(({ paths }) => paths) };
}

test('requests of one caller that differ in what they name are one row, with one of them as example', () => {
  const { saw, rows } = ledger();
  for (const id of [1, 2, 3]) saw({ target: `/items/${id}?q=${id}`, authority: 'cart.shop' }, 'allow', `rule ${id}`);
  assert.deepEqual(rows(), [
    {
      waypoint: 'shop/waypoint',
      source: 'spiffe://cluster.local/ns/web/sa/client',
      destination: '',
      port: 80,
      method: 'GET',
      paths: '/items/{*}',
      verdict: 'allow',
      because: 'rule 3',
      example: { method: 'GET', path: '/items/1', host: 'cart.shop' },
      count: 3,
      firstSeen: '1970-01-01T00:00:01.000Z',
      lastSeen: '1970-01-01T00:00:03.000Z',
    },
  ]);
});

test('callers, ports, methods and verdicts are told apart; methods that nobody knows are not', () => {
  const { saw, rows } = ledger();
  saw({});
  saw({ caller: 'web/other' });
  saw({ port: 81 });
  saw({ method: 'POST' });
  saw({}, 'deny');
  for (const method of ['BREW', 'WHEN']) saw({ method });
  assert.deepEqual(
    rows().map(({ source, port, method, verdict, count }) => [source.split('/').at(-1), port, method, verdict, count]),
    [
      ['client', 80, 'other', 'allow', 2],
      ['client', 80, 'GET', 'deny', 1],
      ['client', 80, 'POST', 'allow', 1],
      ['client', 81, 'GET', 'allow', 1],
      ['other', 80, 'GET', 'allow', 1],
      ['client', 80, 'GET', 'allow', 1],
    ],
  );
});

test('what was answered before policies were asked is no row, and one request is counted once', () => {
  const { held, saw, rows } = ledger();
  held.saw(exchange());
  assert.equal(rows().length, 0);
  held.saw(saw({}));
  assert.equal(rows()[0]?.count, 1);
});

test('a caller who asks for ever more paths gets coarser rows, and few', () => {
  const { saw, paths } = ledger();
  const word = (n: number) => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
  for (let n = 0; n < 500; n++) saw({ target: `/${word(n % 50)}/${word(n)}` });
  assert.equal(paths().length, 65);
  assert.ok(paths().includes('/{**}'));
  assert.equal(paths().filter((one) => one.endsWith('/{**}') && one !== '/{**}').length, 32);
});

test('a full ledger forgets what it has not seen for longest, and goes on counting the rest', () => {
  const { held, saw, rows } = ledger(4);
  for (const port of [1, 2, 3, 4]) saw({ port });
  saw({ port: 1 });
  saw({ port: 5 });
  saw({ port: 1 });
  assert.deepEqual(
    rows().map(({ port, count }) => [port, count]),
    [
      [1, 3],
      [5, 1],
      [4, 1],
    ],
  );
  assert.equal(held.dropped, 2);
});

test('rows of several threads are one', () => {
  const [a, b] = [ledger(), ledger()];
  a.saw({}, 'allow', 'old');
  b.saw({ method: 'POST' });
  b.saw({}, 'allow', 'new');
  const parts = [a, b].map(({ held, rows }) => ({ dropped: held.dropped, requests: rows() }));
  const merged = mergeRequests(parts).requests.map(({ method, because, count }) => [method, because, count]);
  assert.deepEqual(merged, [
    ['GET', 'new', 2],
    ['POST', '', 1],
  ]);
});
