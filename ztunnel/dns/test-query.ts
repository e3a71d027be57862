/** Queries and answers for tests, made and read by another implementation of DNS than ours. */
import assert from 'node:assert/strict';
import dnsPacket, { type Answer, type DecodedPacket, type RecordType } from 'dns-packet';

export type Asked = {
  readonly name: string;
  readonly type?: RecordType;
  readonly id?: number;
  /** Offers EDNS with this payload size. */
  readonly edns?: number;
  readonly dnssecOk?: boolean;
};

export function queryBytes({ name, type = 'A', id = 4711, edns, dnssecOk = false }: Asked): Buffer {
  const additionals = edns === undefined ? [] : [optRecord(edns, dnssecOk)];
  return Buffer.from(
    dnsPacket.encode({
      type: 'query',
      id,
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ name, type }],
      additionals,
    }),
  );
}

export function optRecord(udpPayloadSize: number, dnssecOk = false): Answer {
  const flags = dnssecOk ? dnsPacket.DNSSEC_OK : 0;
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    extendedRcode: 0,
    ednsVersion: 0,
    flags,
    flag_do: dnssecOk,
    options: [],
  };
}

/** An answer to a query, as another name server would give it. */
export function replyBytes(
  query: Buffer,
  reply: { readonly answers?: Answer[]; readonly authorities?: Answer[]; readonly flags?: number },
): Buffer {
  const { id, questions, flags = 0 } = dnsPacket.decode(query);
  return Buffer.from(
    dnsPacket.encode({
      type: 'response',
      ...(id !== undefined && { id }),
      flags: (flags & dnsPacket.RECURSION_DESIRED) | dnsPacket.RECURSION_AVAILABLE | (reply.flags ?? 0),
      ...(questions && { questions }),
      answers: reply.answers ?? [],
      authorities: reply.authorities ?? [],
    }),
  );
}

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export type Shown = {
  readonly rcode: string;
  readonly flags: string;
  /** `name type data`, in order. */
  readonly answers: readonly string[];
};

/** What a message says, in short. */
export function show(bytes: Buffer): Shown & { readonly packet: DecodedPacket } {
  const packet = dnsPacket.decode(bytes);
  assert.equal(packet.type, 'response');
  const flags = Object.entries({ aa: packet.flag_aa, tc: packet.flag_tc, rd: packet.flag_rd, ra: packet.flag_ra });
  return {
    packet,
    rcode: RCODES[(packet.flags ?? 0) & 0xf] ?? 'another',
    flags: flags.flatMap(([name, set]) => (set ? [name] : [])).join(' '),
    answers: (packet.answers ?? []).map((a) => `${a.name} ${a.type} ${'data' in a ? String(a.data) : ''}`),
  };
}
