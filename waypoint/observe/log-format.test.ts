import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry } from './entry.ts';
import { compileFormat } from './log-format.ts';
import { entry } from './test-entry.ts';

const text = (format: string, e: Entry = entry()) => compileFormat({ encoding: 'TEXT', format })(e);

test('the default line has the fields of the reference in their order, and ours behind them', () => {
  assert.equal(
    text(''),
    '[2026-01-02T03:04:05.678Z] "GET /items?all HTTP/1.1" 200 - via_upstream - "-" 3 1024 12 10 "10.1.0.7" "curl/8" "id-1" "cart" ' +
      '"10.1.0.9:8080" inbound-vip|80|http|cart.shop.svc.cluster.local - 10.96.0.1:80 10.1.0.7:41000 - default ' +
      '- spiffe://cluster.local/ns/web/sa/client "-"',
  );
});

test('a denial says why, and names its receipt', () => {
  const denied = entry({
    status: 403,
    details: 'rbac_access_denied_matched_policy[none]',
    endpoint: undefined,
    upstreamMs: undefined,
    because: 'no ALLOW policy matched',
    receipt: '01J',
  });
  const line = text('', denied);
  assert.match(line, / 403 - rbac_access_denied_matched_policy\[none\] - "-" 3 1024 12 - /);
  assert.match(line, / 01J spiffe:\/\/cluster\.local\/ns\/web\/sa\/client "no ALLOW policy matched"$/);
});

test('a JSON line has the names of the fields as keys, numbers as numbers, and - for what is missing', () => {
  const line = JSON.parse(compileFormat({ encoding: 'JSON', format: '' })(entry()));
  assert.deepEqual(line, {
    start_time: '2026-01-02T03:04:05.678Z',
    method: 'GET',
    path: '/items?all',
    protocol: 'HTTP/1.1',
    response_code: 200,
    response_flags: '-',
    response_code_details: 'via_upstream',
    connection_termination_details: '-',
    upstream_transport_failure_reason: '-',
    bytes_received: 3,
    bytes_sent: 1024,
    duration: 12,
    upstream_service_time: 10,
    x_forwarded_for: '10.1.0.7',
    user_agent: 'curl/8',
    request_id: 'id-1',
    authority: 'cart',
    upstream_host: '10.1.0.9:8080',
    upstream_cluster: 'inbound-vip|80|http|cart.shop.svc.cluster.local',
    upstream_local_address: '-',
    downstream_local_address: '10.96.0.1:80',
    downstream_remote_address: '10.1.0.7:41000',
    requested_server_name: '-',
    route_name: 'default',
    receipt: '-',
    source_principal: 'spiffe://cluster.local/ns/web/sa/client',
    policy_reason: '-',
  });
});

test('operators of custom formats', async (t) => {
  const rows: Readonly<Record<string, readonly [format: string, line: string]>> = {
    'text and an operator': ['code %RESPONSE_CODE%.', 'code 200.'],
    'a header of any case': ['%REQ(User-Agent)%', 'curl/8'],
    'another header where the first is missing': ['%REQ(X-MISSING?USER-AGENT)%', 'curl/8'],
    'the path as it was received': ['%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%', '/items?all'],
    'a value cut to a length': ['%REQ(USER-AGENT):4%', 'curl'],
    'what is not there': ['%REQ(X-MISSING)%', '-'],
    'a percent sign': ['100%% %PROTOCOL%', '100% HTTP/1.1'],
    'the peer without its port': ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '10.1.0.7'],
    'the id of the trace': ['%TRACE_ID%', 'a'.repeat(32)],
    'one of ours': ['%AMBIT(SOURCE_PRINCIPAL)%', 'spiffe://cluster.local/ns/web/sa/client'],
    'a line end that people write': ['%PROTOCOL%\n', 'HTTP/1.1'],
  };
  for (const [name, [format, line]] of Object.entries(rows)) {
    await t.test(name, () => assert.equal(text(format), line));
  }
});

test('a format that is none is refused with its reason', async (t) => {
  const rows: Readonly<Record<string, readonly ['TEXT' | 'JSON', string, RegExp]>> = {
    'an unknown operator': ['TEXT', '%FILTER_STATE(x)%', /%FILTER_STATE\(x\)% is no operator/],
    'a start time with a format of its own': ['TEXT', '%START_TIME(%s)%', /no operator|ends inside/],
    'an operator without end': ['TEXT', 'a %PROTOCOL', /ends inside of an operator/],
    'an operator named after what every object has': ['TEXT', '%AMBIT(constructor)%', /no operator/],
    'JSON that is none': ['JSON', '{', /is not JSON/],
    'JSON that is no object': ['JSON', '[]', /an object with fields/],
    'an object within': ['JSON', '{"a":{"b":"%PROTOCOL%"}}', /a: a field of a JSON log is a text/],
  };
  for (const [name, [encoding, format, why]] of Object.entries(rows)) {
    await t.test(name, () => assert.throws(() => compileFormat({ encoding, format }), why));
  }
});

test('a caller can neither end a line nor a quoted value', () => {
  const headers: Readonly<Record<string, string>> = { 'user-agent': 'a" 200\r\n\u2028\\' };
  const line = text('"%REQ(USER-AGENT)%"', entry({ header: (name) => headers[name] }));
  assert.equal(line, '"a\\" 200\\u000d\\u000a\\u2028\\\\"');
});

test('a connection has no method, and says how it ended', () => {
  const { method: _m, path: _p, protocol: _r, authority: _a, ...rest } = entry();
  const line = text('', {
    ...rest,
    status: 0,
    flags: 'UF',
    details: '',
    terminated: 'nobody there',
    unreached: 'nobody there',
    header: () => undefined,
  });
  assert.match(line, /^\[.*\] "- - -" 0 UF - nobody there "nobody there" 3 1024/);
  assert.match(line, / inbound-vip\|80\|tcp\|cart/);
});
