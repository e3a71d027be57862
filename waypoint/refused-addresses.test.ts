import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustParseIp } from '../mesh/index.ts';
import { refusal } from './refused-addresses.ts';

test('keys are not fetched from addresses that only the node, or the waypoint itself, may call', () => {
  const rows: readonly [string, string | undefined][] = [
    ['127.0.0.1', 'loopback'],
    ['127.8.9.10', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['169.254.169.254', 'link-local'],
    ['100.100.100.200', 'a metadata service'],
    ['168.63.129.16', 'a metadata service'],
    ['224.0.0.1', 'multicast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fd00:ec2::254', 'a metadata service'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['64:ff9b::a9fe:a9fe', 'link-local'],
    ['2002:7f00:1::', 'loopback'],
    ['::7f00:1', 'loopback'],
    ['10.96.0.10', undefined],
    ['192.168.1.1', undefined],
    ['8.8.8.8', undefined],
    ['fd00::1', undefined],
    ['fec0::1', undefined],
    ['2001:db8::1', undefined],
    ['64:ff9b::808:808', undefined],
  ];
  for (const [ip, expected] of rows) assert.equal(refusal(mustParseIp(ip)), expected, ip);
});
