import assert from 'node:assert/strict';
import { test } from 'node:test';
import { belowFirst, pathPattern } from './path-pattern.ts';

const ROWS: Readonly<Record<string, [path: string, pattern: string]>> = {
  'the root': ['/', '/'],
  'words stay': ['/api/v2/items', '/api/v2/items'],
  'a slash at the end stays': ['/api/', '/api/'],
  'a number': ['/items/17/parts', '/items/{*}/parts'],
  'a UUID': ['/users/6b1f0c9e-2c3d-4e5f-8a9b-0c1d2e3f4a5b', '/users/{*}'],
  'a hash': ['/blobs/9f86d081884c7d65', '/blobs/{*}'],
  'a word of hexadecimal letters stays': ['/deadbeef/facade', '/deadbeef/facade'],
  'a number behind a word': ['/orders/order-12345', '/orders/{*}'],
  'a short number behind a word stays': ['/shards/shard-7', '/shards/shard-7'],
  'a gRPC method': ['/shop.v1.Cart/Add', '/shop.v1.Cart/Add'],
  'what templates could not say': ['/a/{b}/c*', '/a/{*}/{*}'],
  'what is escaped': ['/a/%C3%A4', '/a/{*}'],
  'a long segment': [`/a/${'x'.repeat(41)}`, '/a/{*}'],
  'a deep path': ['/1a/b/c/d/e/f/g/h/i/j', '/1a/b/c/d/e/f/g/{**}'],
  'eight segments are no deep path': ['/a/b/c/d/e/f/g/h', '/a/b/c/d/e/f/g/h'],
};
for (const [name, [path, pattern]] of Object.entries(ROWS)) {
  test(`in a pattern of paths: ${name}`, () => assert.equal(pathPattern(path), pattern));
}

test('coarser, only the first segment is left', () => {
  assert.deepEqual(['/items/17/parts', '/17/x', '/', '*'].map(belowFirst), [
    '/items/{**}',
    '/{*}/{**}',
    '/{**}',
    '/{**}',
  ]);
});
