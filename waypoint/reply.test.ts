import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reply } from './reply.ts';
import { exchange } from './test-exchange.ts';

test('a caller of gRPC is told why in words that can be read as they are', () => {
  const rows: readonly [string, string][] = [
    ['DestinationRule shop/d: no Secret, none', 'DestinationRule shop/d: no Secret, none'],
    ['100% gone', '100%25 gone'],
    ['a\nb\tc', 'a%0Ab%09c'],
    ['für 🐈', 'f%C3%BCr %F0%9F%90%88'],
    ['\ud800!', '%EF%BF%BD!'],
  ];
  for (const [body, expected] of rows) {
    const { headers } = reply(exchange({ headers: { 'content-type': 'application/grpc' } }), {
      status: 503,
      body,
      details: 'x',
    });
    assert.deepEqual([headers.first('grpc-status'), headers.first('grpc-message')], ['14', expected]);
  }
});
