import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bare, createLogger, LogFilter } from './index.ts';

const AT = Date.parse('2026-03-04T10:11:12.131Z');

function capture(format: 'plain' | 'json', level = 'trace') {
  const lines: string[] = [];
  const log = createLogger({ format, level, root: 'ztunnel', now: () => AT, write: (line) => lines.push(line) });
  return { lines, log };
}

test('a plain line is time, level, scope, message and fields, tab by tab', () => {
  const { lines, log } = capture('plain');
  log.target('access').info('connection complete', {
    'src.addr': bare('10.1.2.3:40112'),
    'src.workload': 'web-"7"',
    'dst.service': undefined,
    bytes_sent: 512,
    duration: '7ms',
  });
  assert.deepEqual(lines, [
    '2026-03-04T10:11:12.131000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.1.2.3:40112 src.workload="web-\\"7\\"" bytes_sent=512 duration="7ms"\n',
  ]);
});

test('a plain line shows the scope without the program, and its spans', () => {
  const { lines, log } = capture('plain');
  log
    .scope('xds')
    .span('xds', { id: 3 })
    .warn('stream ended', { error: new Error('a', { cause: new Error('b') }) });
  assert.deepEqual(lines, ['2026-03-04T10:11:12.131000Z\twarn\txds:xds{id=3}\tstream ended\terror="a: b"\n']);
});

test('a line stays one line whatever a peer puts into its text', () => {
  const { lines, log } = capture('plain');
  log.info('x\ny', { peer: 'evil\n2026 info' });
  assert.equal(lines[0]?.split('\n').length, 2);
});

test('no text, name or address from outside reaches a terminal as a control character', () => {
  const { lines, log } = capture('plain');
  log.info('a\r\u001b[2K\u009b', { 'k\r\n\u2028': 'v\u007f\u009b31m', at: bare('1.2.3.4\n') });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(lines[0]?.slice(0, -1).replaceAll('\t', '') ?? '', /[\u0000-\u001f\u007f-\u009f\u2028]/);
});

test('a JSON line has level, time, full scope and message, dotted fields, then spans', () => {
  const { lines, log } = capture('json');
  log
    .scope('outbound')
    .span('outbound', { id: 'ab' })
    .error('connection failed', { 'dst.addr': bare('[::1]:80'), n: 1n });
  assert.equal(
    lines[0],
    '{"level":"error","time":"2026-03-04T10:11:12.131000Z","scope":"ztunnel::outbound","message":"connection failed","dst.addr":"[::1]:80","n":"1","outbound":{"id":"ab"}}\n',
  );
});

const FILTERS: readonly (readonly [string, string, 'info' | 'debug', boolean])[] = [
  ['info', 'xds', 'info', true],
  ['info', 'xds', 'debug', false],
  ['info,xds=debug', 'xds', 'debug', true],
  ['info,ztunnel::xds=debug', 'xds', 'debug', true],
  ['info,xds=debug', 'xds::client', 'debug', true],
  ['info,xds=debug', 'xdsx', 'debug', false],
  ['debug,access=off', 'access', 'info', false],
  ['ztunnel=debug', 'zds', 'debug', true],
  ['warn', 'xds', 'info', false],
  ['xds', 'zds', 'info', false],
];
for (const [level, scope, at, want] of FILTERS) {
  test(`with RUST_LOG ${level}, ${scope} ${want ? 'writes' : 'does not write'} at ${at}`, () => {
    const { log } = capture('plain', level);
    assert.equal(log.scope(scope).enabled(at), want);
  });
}

test('level changes add up until they are reset, and a bad one changes nothing', () => {
  const filter = new LogFilter('info,xds=warn');
  filter.add('xds=debug,zds=trace');
  assert.equal(String(filter), 'xds=debug,zds=trace,info');
  assert.throws(() => filter.add('error,xds=loud'), { code: 'LOG_FILTER_INVALID' });
  assert.equal(String(filter), 'xds=debug,zds=trace,info');
  filter.reset();
  assert.equal(String(filter), 'xds=warn,info');
});
