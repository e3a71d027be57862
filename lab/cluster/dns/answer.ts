/** From a query to its answer, as packets of the library. Pure. */

import { isIPv6 } from 'node:net';
import type { Answer, DecodedPacket, Packet } from 'dns-packet';
import type { DnsRecord, Zone } from './zone.ts';

/** Seconds; short, because the lab changes all the time. */
const TTL_S = 5;
const AUTHORITATIVE = 1 << 10;
const RECURSION_DESIRED = 1 << 8;
const RECURSION_AVAILABLE = 1 << 7;
const RCODE = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4 } as const;
/** What fits without fragments everywhere (https://www.dnsflagday.net/2020/). */
const EDNS_SIZE = 1232;

/** `random` (0 to 1) mixes addresses, so that clients that take the first one spread. */
export function answerQuery(query: DecodedPacket, zone: Zone, domain: string, random: () => number): Packet {
  const [question, ...others] = query.questions ?? [];
  const base = { type: 'response' as const, ...(query.id === undefined ? {} : { id: query.id }) };
  const flags = ((query.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE;
  const additionals = hasEdns(query) ? [OPT] : [];
  if (opcodeOf(query) !== 0) return { ...base, flags: flags | RCODE.NOTIMP, additionals };
  if (question === undefined || others.length > 0) return { ...base, flags: flags | RCODE.FORMERR, additionals };
  const asked = { ...base, questions: [question], additionals };
  const found = zone.ask(question.name);
  // The lab has no way out: what is not of the cluster does not exist here, and that is said at once.
  if (found.kind === 'elsewhere') return { ...asked, flags: flags | RCODE.NXDOMAIN };
  const authorities = [authority(domain)];
  if (found.kind === 'no-such-name') {
    return { ...asked, flags: flags | AUTHORITATIVE | RCODE.NXDOMAIN, authorities };
  }
  const answers = answersFor(question.name, question.type, found.records, zone);
  if (answers.length === 0) return { ...asked, flags: flags | AUTHORITATIVE | RCODE.NOERROR, authorities };
  const extra = question.type === 'SRV' ? targetAddresses(answers, zone) : [];
  return {
    ...asked,
    flags: flags | AUTHORITATIVE,
    answers: shuffled(answers, random),
    additionals: [...extra, ...additionals],
  };
}

/** How many bytes a UDP answer to this query may have. */
export function udpLimit(query: DecodedPacket): number {
  const opt = (query.additionals ?? []).find((record) => record.type === 'OPT');
  const offered = opt !== undefined && 'udpPayloadSize' in opt ? opt.udpPayloadSize : 512;
  return Math.min(Math.max(offered, 512), EDNS_SIZE);
}

/** 0 is a plain query. */
const opcodeOf = (query: DecodedPacket) => ((query.flags ?? 0) >> 11) & 0xf;

const hasEdns = (query: DecodedPacket) => (query.additionals ?? []).some((record) => record.type === 'OPT');

const OPT: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: EDNS_SIZE,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function answersFor(name: string, type: string, records: readonly DnsRecord[], zone: Zone): readonly Answer[] {
  const alias = records.find((record) => record.type === 'CNAME');
  if (alias?.type === 'CNAME' && type !== 'CNAME') {
    const target = zone.ask(alias.data);
    const further = target.kind === 'found' ? target.records.filter((record) => record.type === type) : [];
    return [toAnswer(name, alias), ...further.map((record) => toAnswer(alias.data, record))];
  }
  return records.filter((record) => record.type === type || type === 'ANY').map((record) => toAnswer(name, record));
}

function toAnswer(name: string, record: DnsRecord): Answer {
  if (record.type === 'SRV') {
    return { type: 'SRV', name, ttl: TTL_S, data: { priority: 0, weight: 100, ...record.data } };
  }
  if (record.type === 'TXT') return { type: 'TXT', name, ttl: TTL_S, data: record.data };
  return { type: record.type, name, ttl: TTL_S, data: record.data };
}

function targetAddresses(answers: readonly Answer[], zone: Zone): readonly Answer[] {
  const targets = new Set(answers.flatMap((answer) => (answer.type === 'SRV' ? [answer.data.target] : [])));
  return [...targets].flatMap((target) => {
    const found = zone.ask(target);
    if (found.kind !== 'found') return [];
    return found.records
      .filter((record) => record.type === 'A' || record.type === 'AAAA')
      .map((record) => toAnswer(target, record));
  });
}

/** Start of authority: its last number is how long a client may remember that there is nothing. */
const authority = (domain: string): Answer => ({
  type: 'SOA',
  name: domain,
  ttl: TTL_S,
  data: {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: TTL_S,
  },
});

/** Aliases stay first: resolvers follow them in order. */
function shuffled(answers: readonly Answer[], random: () => number): Answer[] {
  const isAlias = (answer: Answer) => answer.type === 'CNAME';
  const rest = answers.filter((answer) => !isAlias(answer));
  for (let i = rest.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [rest[i], rest[j]];
    if (a !== undefined && b !== undefined) [rest[i], rest[j]] = [b, a];
  }
  return [...answers.filter(isAlias), ...rest];
}

/** Address and port of a listener, as logs show it. */
export const formatListener = (ip: string, port: number): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);
