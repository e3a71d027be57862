import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatBaggage,
  formatForwarded,
  formatTraceparent,
  forwardedHost,
  newTraceId,
  parseBaggage,
  traceIdOf,
} from '../../core/hbone/index.ts';
import { mustParseIp, parseSpiffeId, type Workload } from '../../mesh/index.ts';
import { proxyHeader } from './proxy-header.ts';

const at = (ip: string, port: number) => ({ ip: mustParseIp(ip), port });

const web = {
  namespace: 'shop',
  clusterId: 'c1',
  workloadType: 'CRONJOB',
  workloadName: 'nightly',
  canonicalName: 'web',
  canonicalRevision: 'v2',
  locality: { region: 'r1', zone: 'z1', subzone: 's1' },
} as Workload;

describe('baggage', () => {
  it('introduces the workload, in the order of the reference', () => {
    assert.equal(
      formatBaggage(web),
      'k8s.cluster.name=c1,k8s.namespace.name=shop,k8s.cronjob.name=nightly,service.name=web,service.version=v2,' +
        'cloud.region=r1,cloud.availability_zone=z1',
    );
  });

  it('leaves out what is empty', () => {
    const bare = { ...web, clusterId: '', canonicalRevision: '', locality: undefined } as unknown as Workload;
    assert.equal(formatBaggage(bare), 'k8s.namespace.name=shop,k8s.cronjob.name=nightly,service.name=web');
  });

  const read: readonly (readonly [string, string | undefined, ReturnType<typeof parseBaggage>])[] = [
    ['no header', undefined, undefined],
    ['an empty header', '', undefined],
    ['unknown keys and empty values', 'a=b,service.name=,k8s.namespace.name=x', { namespace: 'x' }],
    ['a value with an equals sign', 'service.name=a=b', { serviceName: 'a=b' }],
    ['spaces', ' service.name = a , service.version=2', { serviceName: 'a', revision: '2' }],
    ['entries that are none', 'x,=y,,service.name=a', { serviceName: 'a' }],
    ['the kind of workload', 'k8s.job.name=j', { workloadType: 'JOB', workloadName: 'j' }],
  ];
  for (const [what, header, wanted] of read) {
    it(`is read with ${what}`, () => assert.deepEqual(parseBaggage(header), wanted));
  }

  it('comes back as it was sent', () => {
    assert.deepEqual(parseBaggage(formatBaggage(web)), {
      clusterId: 'c1',
      namespace: 'shop',
      workloadType: 'CRONJOB',
      workloadName: 'nightly',
      serviceName: 'web',
      revision: 'v2',
      region: 'r1',
      zone: 'z1',
    });
  });
});

describe('forwarded', () => {
  it('names the caller, and the service if one is known', () => {
    assert.equal(formatForwarded(at('10.0.0.1', 5), undefined), 'for="10.0.0.1:5"');
    assert.equal(formatForwarded(at('fd00::1', 5), 'a.b'), 'for="[fd00::1]:5";host=a.b');
  });

  const read: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ['no header', undefined, undefined],
    ['a host', 'for="1.2.3.4:5";host=a.b', 'a.b'],
    ['a quoted host', 'for=x;host="a.b"', 'a.b'],
    ['another case', 'For=x; Host=a.b', 'a.b'],
    ['an empty host', 'host=', undefined],
    ['no host', 'for="1.2.3.4:5"', undefined],
    ['what is not ASCII', 'host=a\u00e9.b', undefined],
  ];
  for (const [what, header, wanted] of read)
    it(`is read with ${what}`, () => assert.equal(forwardedHost(header), wanted));
});

describe('traceparent', () => {
  it('carries the trace id to the other end', () => {
    const id = newTraceId();
    const header = formatTraceparent(id);
    assert.match(header, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(traceIdOf(header), id);
  });

  it('is made anew where the caller sent nothing that can be read', () => {
    for (const header of [undefined, '', 'x'.repeat(55), `00-${'0'.repeat(33)}`]) {
      assert.match(traceIdOf(header), /^[0-9a-f]{32}$/);
    }
  });
});

describe('the PROXY header', () => {
  const signature = '0d0a0d0a000d0a515549540a';

  it('is version 2 with addresses of one family', () => {
    const header = Buffer.from(proxyHeader(at('10.0.0.1', 0x1234), at('10.0.0.2', 80), undefined)).toString('hex');
    assert.equal(header, `${signature}2111000c0a0000010a00000212340050`);
  });

  it('carries the identity of the caller', () => {
    const peer = parseSpiffeId('spiffe://t/ns/n/sa/s');
    const header = Buffer.from(proxyHeader(at('10.0.0.1', 1), at('10.0.0.2', 2), peer));
    assert.equal(header.readUInt16BE(14), 12 + 3 + peer.length);
    assert.deepEqual([header[28], header.readUInt16BE(29), header.subarray(31).toString()], [0xd0, peer.length, peer]);
  });

  it('writes mixed families as IPv6', () => {
    const header = Buffer.from(proxyHeader(at('10.0.0.1', 1), at('fd00::2', 2), undefined));
    assert.equal(header[13], 0x21);
    assert.equal(header.subarray(16, 32).toString('hex'), '00000000000000000000ffff0a000001');
    assert.equal(header.length, 16 + 36);
  });
});
