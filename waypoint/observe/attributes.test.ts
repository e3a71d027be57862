import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderFields } from '../../core/http/index.ts';
import { compileTagValue } from '../../mesh/index.ts';
import { logsOf, writeLines } from './access-log.ts';
import { attributesOf } from './attributes.ts';
import type { Entry } from './entry.ts';
import { entry } from './test-entry.ts';

const HEADERS = HeaderFields.of([
  ['user-agent', 'curl/8'],
  ['x-a', '1'],
  ['x-a', '2'],
  ['__proto__', 'evil'],
]);
const ANSWER = { headers: HeaderFields.of({ 'content-type': 'text/html' }), trailers: HeaderFields.of({ t: 'u' }) };

function said(expression: string, changes: Partial<Entry> = {}): string {
  const compiled = compileTagValue(expression);
  assert.equal(compiled.kind, 'compiled', compiled.kind === 'invalid' ? compiled.problem : '');
  return compiled.ask(attributesOf(entry({ headers: HEADERS, answer: ANSWER, scheme: 'http', ...changes })));
}

test('each attribute is taken from what is known of a request', async (t) => {
  const rows: Readonly<Record<string, string>> = {
    'request.path': '/items?all',
    'request.url_path': '/items',
    'request.query': 'all',
    'request.host': 'cart',
    'request.scheme': 'http',
    'request.method': 'GET',
    'request.protocol': 'HTTP/1.1',
    'request.headers["user-agent"]': 'curl/8',
    'request.headers["x-a"]': '1,2',
    'request.headers["__proto__"]': 'evil',
    'request.headers[":authority"]': 'cart',
    'request.headers["absent"]': 'unknown',
    'request.referer': 'unknown',
    'request.useragent': 'curl/8',
    'request.id': 'id-1',
    'string(request.time)': '2026-01-02T03:04:05.678Z',
    'request.duration > duration("12ms") && request.duration < duration("13ms")': 'true',
    'request.size': '3',
    'request.total_size': '40',
    'response.code': '200',
    'response.code_details': 'via_upstream',
    'response.flags': '0',
    'response.grpc_status': 'unknown',
    'response.headers["content-type"]': 'text/html',
    'response.trailers["t"]': 'u',
    'response.size': '1024',
    'response.total_size': String(1024 + 'content-typetext/htmltu'.length),
    'connection.requested_server_name': '',
    'connection.mtls': 'true',
    'connection.tls_version': 'TLSv1.3',
    'connection.uri_san_peer_certificate': 'spiffe://cluster.local/ns/web/sa/client',
    'connection.termination_details': '',
    'connection.id > 0': 'true',
    'source.address': '10.1.0.7:41000',
    'source.port': '41000',
    'destination.address': '10.96.0.1:80',
    'destination.port': '80',
    'upstream.address': '10.1.0.9:8080',
    'upstream.port': '8080',
    'upstream.transport_failure_reason': '',
  };
  for (const [expression, value] of Object.entries(rows)) {
    await t.test(expression, () => assert.equal(said(expression), value));
  }
});

test('flags are bits in their usual order, and what failed is told', () => {
  assert.equal(said('response.flags', { flags: 'UF,URX' }), String(0x20 + 0x8000));
  assert.equal(said('response.flags', { flags: 'NC' }), String(0x1000000));
  assert.equal(said('upstream.transport_failure_reason', { flags: 'UF', unreached: 'refused' }), 'refused');
  assert.equal(said('response.code', { status: 0 }), 'unknown');
});

test('a value that a caller made very long is cut', () => {
  assert.equal(said('request.path', { path: `/${'a'.repeat(1_000)}` }).length, 128);
});

function written(filter: string, changes: Partial<Entry> = {}): { readonly lines: number; readonly bad: string } {
  let lines = 0;
  let bad = '';
  const logs = logsOf([{ encoding: 'TEXT', format: '%PROTOCOL%', filter }], (problem) => {
    bad = String(problem);
  });
  writeLines(logs, entry(changes), () => void lines++);
  return { lines, bad };
}

test('a line is written unless its filter says no', async (t) => {
  const rows: Readonly<Record<string, readonly [filter: string, changes: Partial<Entry>, lines: number]>> = {
    'no filter': ['', {}, 1],
    'it says yes': ['response.code >= 400', { status: 503 }, 1],
    'it says no': ['response.code >= 400', {}, 0],
    'there was no answer that it could ask about': ['response.code >= 400', { status: 0 }, 1],
    'it compares what can not be compared': ['request.path > 7', {}, 1],
    'it takes too long': [`[${'1,'.repeat(200)}1].all(a, [${'1,'.repeat(200)}1].all(b, false == (a == 2)))`, {}, 1],
  };
  for (const [name, [filter, changes, lines]] of Object.entries(rows)) {
    await t.test(name, () => assert.deepEqual(written(filter, changes), { lines, bad: '' }));
  }
});

test('a filter that can not be read is told and hides nothing', () => {
  const { lines, bad } = written('request.nothing == 1');
  assert.equal(lines, 1);
  assert.match(bad, /filter request\.nothing == 1: request\.nothing is not known here/);
});
