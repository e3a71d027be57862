import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSockaddr, encodeSockaddr } from './sockaddr.ts';

test('what is written as an address is read as the same one', () => {
  for (const ip of ['0.0.0.0', '10.0.0.1', '127.0.0.1', '192.168.100.200', '255.255.255.255', '::1', 'fd00:77::99']) {
    for (const port of [0, 80, 65_535]) {
      assert.deepEqual(decodeSockaddr(encodeSockaddr({ ip, port }).bytes), { ip, port });
      assert.deepEqual(decodeSockaddr(encodeSockaddr({ ip, port }, 'ipv6').bytes), { ip, port });
    }
  }
});

test('what is no address, or no port, is not made one', () => {
  const texts = [
    '',
    'nonsense',
    '1.2.3.256',
    '1.2.3.999',
    '1.2.3.4.5',
    '1..2.3',
    '1.2.3.4.',
    '.1.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
  ];
  for (const ip of texts) assert.throws(() => encodeSockaddr({ ip, port: 1 }), { code: 'EINVAL' }, ip);
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    assert.throws(() => encodeSockaddr({ ip: '1.2.3.4', port }), { code: 'EINVAL' }, `port ${port}`);
  }
});
