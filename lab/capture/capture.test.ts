import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Describer } from './describe.ts';
import { readSegment } from './frame.ts';

const ETHERNET4 = '020000000002020000000001' + '0800';
const IPV4 = '4500003400004000400600000a0000010a000002'; // 10.0.0.1 > 10.0.0.2, 52 bytes
const TCP = '9c403a98000000010000000150180200' + '00000000'; // 40000 > 15000, PSH,ACK, 20-byte header
const frame4 = (payload: string) => {
  const data = Buffer.from(payload, 'latin1').toString('hex');
  const ip = Buffer.from(IPV4, 'hex');
  ip.writeUInt16BE(40 + payload.length, 2);
  return Buffer.concat([Buffer.from(ETHERNET4, 'hex'), ip, Buffer.from(TCP + data, 'hex'), Buffer.alloc(6)]); // with Ethernet padding
};

test('padding at the end of a frame is not taken for data', () => {
  assert.equal(readSegment(frame4('hi'))?.payload.toString(), 'hi');
  assert.equal(readSegment(frame4(''))?.payload.length, 0);
});

test('readable text is shown as plaintext, a TLS record and what continues it is not', () => {
  const describer = new Describer();
  assert.match(
    describer.line(frame4('GET / HTTP/1.1\r\n'), 0) ?? '',
    /10\.0\.0\.1:40000 > 10\.0\.0\.2:15000 {2}ACK,PSH {2}PLAINTEXT .*GET \/ HTTP\/1\.1\.\./,
  );
  assert.match(describer.line(frame4('\x17\x03\x03\x40\x00abc'), 0) ?? '', /TLS application data/);
  assert.match(describer.line(frame4('the rest of the record'), 0) ?? '', /TLS, continued/);
});

test('a frame that is cut short or not TCP is passed over', () => {
  assert.equal(readSegment(Buffer.alloc(10)), undefined);
  assert.equal(readSegment(Buffer.alloc(60)), undefined);
});

test('IPv6 addresses are written in their short form', () => {
  const ip = Buffer.alloc(40);
  ip.writeUInt8(0x60, 0);
  ip.writeUInt16BE(20, 4);
  ip.writeUInt8(6, 6);
  Buffer.from('fd000244000100000000000000000007', 'hex').copy(ip, 8);
  Buffer.from('fd000030000000000000000000000001', 'hex').copy(ip, 24);
  const frame = Buffer.concat([Buffer.from('02000000000202000000000186dd', 'hex'), ip, Buffer.from(TCP, 'hex')]);
  const segment = readSegment(frame);
  assert.deepEqual([segment?.src, segment?.dst], ['[fd00:244:1::7]', '[fd00:30::1]']);
});
