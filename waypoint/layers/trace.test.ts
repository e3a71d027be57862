import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchange, pass } from '../test-exchange.ts';
import { parseTraceparent } from '../trace/context.ts';
import { trace } from './trace.ts';

const ID = 'ab'.repeat(16);
const SPAN = 'cd'.repeat(8);

test('what is a context of a trace, and what is none', async (t) => {
  const rows: Readonly<Record<string, readonly [values: readonly string[], sampled: boolean | undefined]>> = {
    nothing: [[], undefined],
    'a sampled one': [[`00-${ID}-${SPAN}-01`], true],
    'one that is not sampled': [[`00-${ID}-${SPAN}-00`], false],
    'flags of tomorrow': [[`00-${ID}-${SPAN}-fe`], false],
    'a version of tomorrow, which says more': [[`01-${ID}-${SPAN}-01-more`], true],
    'this version, which says more': [[`00-${ID}-${SPAN}-01-more`], undefined],
    'the version that is none': [[`ff-${ID}-${SPAN}-01`], undefined],
    'an id of zeros': [[`00-${'0'.repeat(32)}-${SPAN}-01`], undefined],
    'a span of zeros': [[`00-${ID}-${'0'.repeat(16)}-01`], undefined],
    'upper case': [[`00-${ID.toUpperCase()}-${SPAN}-01`], undefined],
    'too short': [[`00-${ID.slice(2)}-${SPAN}-01`], undefined],
    'two of them': [[`00-${ID}-${SPAN}-01`, `00-${ID}-${SPAN}-01`], undefined],
  };
  for (const [name, [values, sampled]] of Object.entries(rows)) {
    await t.test(name, () => assert.equal(parseTraceparent(values)?.isSampled, sampled));
  }
});

test("a caller's trace goes on, with our span in between, and its decision stands", async () => {
  for (const flags of ['00', '01']) {
    const x = exchange({ headers: { traceparent: `00-${ID}-${SPAN}-${flags}`, tracestate: 'a=1' } });
    await pass(trace({ share: flags === '01' ? 0 : 1, random: () => 0.5 }), x);
    const [, id, span, sent] = (x.request.headers.get('traceparent') ?? '').split('-');
    assert.deepEqual([id, sent, x.request.headers.get('tracestate')], [ID, flags, 'a=1']);
    assert.equal(span, x.trace?.spanId);
    assert.notEqual(span, SPAN);
    assert.deepEqual([x.trace?.parentId, x.trace?.isSampled], [SPAN, flags === '01']);
  }
});

test('a trace begins here for a share of the requests; state without a context goes', async () => {
  for (const [random, isSampled] of [
    [0.009, true],
    [0.01, false],
  ] as const) {
    const x = exchange({ headers: { traceparent: 'x', tracestate: 'a=1' } });
    await pass(trace({ share: 0.01, random: () => random }), x);
    assert.equal(x.trace?.isSampled, isSampled);
    assert.equal(x.trace?.parentId, undefined);
    assert.match(x.request.headers.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    assert.equal(x.request.headers.has('tracestate'), false);
  }
});

test('state that is too long, or not fit for a header, is not passed on', async () => {
  for (const tracestate of ['a='.padEnd(2_049, 'x'), 'a=\u00e9']) {
    const x = exchange({ headers: { traceparent: `00-${ID}-${SPAN}-01`, tracestate } });
    await pass(trace({ share: 0, random: () => 0 }), x);
    assert.equal(x.request.headers.has('tracestate'), false);
    assert.equal(x.trace?.traceId, ID);
  }
});
