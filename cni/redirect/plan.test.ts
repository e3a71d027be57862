import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NetnsRef } from '../../core/net/index.ts';
import { needsRoot, TestNet } from '../../test/support/netns.ts';
import { planHostRules } from '../host/index.ts';
import { loadNft, planRemoval, planRules, podOptions, type RedirectOptions } from './index.ts';

const golden = (name: string) => readFileSync(new URL(`./golden/${name}.nft`, import.meta.url), 'utf8');
const BASE: RedirectOptions = { ipv6: true, dnsCapture: false, bypassInbound: false, virtualInterfaces: [] };
const VIRTUAL = ['k6t-eth0', 'br0'];

const PLANS: readonly (readonly [file: string, title: string, options: RedirectOptions])[] = [
  ['plain', 'both families without DNS', BASE],
  ['plain-v4', 'IPv4 alone without DNS', { ...BASE, ipv6: false }],
  ['dns', 'both families with DNS', { ...BASE, dnsCapture: true }],
  ['dns-v4', 'IPv4 alone with DNS', { ...BASE, ipv6: false, dnsCapture: true }],
  ['bypass', 'inbound bypassed', { ...BASE, bypassInbound: true }],
  ['virtual', 'two virtual interfaces', { ...BASE, virtualInterfaces: VIRTUAL }],
  [
    'bypass-virtual',
    'inbound bypassed, two virtual interfaces',
    { ...BASE, bypassInbound: true, virtualInterfaces: VIRTUAL },
  ],
];
for (const [file, title, options] of PLANS) {
  test(`the rules of a pod are exactly these: ${title}`, () => {
    assert.equal(planRules(options).nft, golden(file));
  });
}

test('the rules of a host are exactly these, for one family and for both', () => {
  assert.equal(planHostRules({ ipv6: true, kubeletUid: 0 }), golden('host'));
  assert.equal(planHostRules({ ipv6: false, kubeletUid: 998 }), golden('host-v4'));
});

test('nft takes every one of these scripts', { skip: needsRoot }, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  using netns = NetnsRef.open(net.host('a').path);
  for (const [file] of PLANS) await loadNft(netns, golden(file));
  await loadNft(netns, planRemoval().nft);
  await loadNft(netns, golden('host'));
  await loadNft(netns, golden('host-v4'));
});

test('the way back is a rule and a route for each family', () => {
  assert.deepEqual(
    planRules(BASE).routing.map((step) => step.args.join(' ')),
    [
      '-4 route replace local 0.0.0.0/0 dev lo table 100',
      '-4 rule add fwmark 0x111/0xfff lookup 100 pref 32764',
      '-6 route replace local ::/0 dev lo table 100',
      '-6 rule add fwmark 0x111/0xfff lookup 100 pref 32764',
    ],
  );
  assert.deepEqual([...new Set(planRules({ ...BASE, ipv6: false }).routing.map((step) => step.family))], [4]);
});

const DNS = 'ambient.istio.io/dns-capture';
const BYPASS = 'ambient.istio.io/bypass-inbound-capture';
const REROUTE = 'istio.io/reroute-virtual-interfaces';
type Row = readonly [
  title: string,
  annotations: Record<string, string>,
  want: Partial<RedirectOptions>,
  warnings?: RegExp,
];
const ANNOTATIONS: readonly Row[] = [
  ['none', {}, BASE],
  ['DNS on by pod while off globally', { [DNS]: 'true' }, { dnsCapture: true }],
  ['inbound bypassed in the spelling of Go', { [BYPASS]: 'T' }, { bypassInbound: true }],
  ['a false one', { [BYPASS]: '0' }, { bypassInbound: false }],
  [
    'one that is not a boolean is left out and told',
    { [BYPASS]: 'yes' },
    { bypassInbound: false },
    /bypass-inbound-capture="yes"/,
  ],
  ['interfaces, trimmed', { [REROUTE]: ' k6t-eth0, br0 ,' }, { virtualInterfaces: VIRTUAL }],
  [
    'an interface that could end the rule is left out and told',
    { [REROUTE]: 'br0,x" accept' },
    { virtualInterfaces: ['br0'] },
    /x\\" accept/,
  ],
  ['an interface of control characters', { [REROUTE]: 'a\u0000b' }, { virtualInterfaces: [] }, /a\\u0000b/],
  ['an interface of 15 characters and 30 bytes', { [REROUTE]: 'ü'.repeat(15) }, { virtualInterfaces: [] }, /ü/],
  [
    'interfaces without end',
    { [REROUTE]: Array.from({ length: 100_000 }, (_, i) => `i${i}`).join() },
    { virtualInterfaces: Array.from({ length: 16 }, (_, i) => `i${i}`) },
    /only 16 interfaces/,
  ],
  [
    'names without end that are none',
    { [REROUTE]: Array.from({ length: 100_000 }, (_, i) => `/${i}`).join() },
    { virtualInterfaces: [] },
    /only 16 interfaces/,
  ],
  ['an interface of 16 bytes', { [REROUTE]: '0123456789abcdef' }, { virtualInterfaces: [] }, /0123456789abcdef/],
];
for (const [title, annotations, want, warning] of ANNOTATIONS) {
  test(`annotations of a pod: ${title}`, () => {
    const { options, warnings } = podOptions(annotations, { ipv6: true, dnsCapture: false });
    assert.deepEqual(options, { ...BASE, ...want });
    if (warning) assert.match(warnings.join(), warning);
    else assert.deepEqual(warnings, []);
  });
}

test('DNS off by pod while on globally', () => {
  assert.equal(podOptions({ [DNS]: 'false' }, { ipv6: true, dnsCapture: true }).options.dnsCapture, false);
});
