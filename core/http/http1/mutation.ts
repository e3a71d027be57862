/** Messages as nobody sends them on purpose: real ones, changed a little, where parsers differ. For fuzz tests. */

export type Random = (below: number) => number;

const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T;

const LINES = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding:\x0bchunked',
  'Transfer_Encoding: chunked',
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: 3',
  'Content-Length: +5',
  'Content-Length: 05',
  'Content-Length: 5, 5',
  'Content-Length: 5 5',
  'Content-Length: 99999999999999999999',
  'Content-Length:5',
  'Content-Length',
  'Host: other.test',
  'Host:',
  'Connection: close',
  'Connection: keep-alive, x',
  'Connection: content-length',
  'Connection: transfer-encoding',
  'Expect: 100-continue',
  'Upgrade: websocket',
  'X: y',
  ' folded',
  '\tfolded',
  '',
  ': nameless',
  'X Y: z',
  'TE: trailers',
  'Trailer: x-sum',
  'GET /smuggled HTTP/1.1',
] as const;

const BITS = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\xff',
  '\x7f',
  '\x0b',
  '0',
  '5',
  'a',
  'x',
  '#',
  '?',
  '/',
  '@',
  '\r\n\r\n',
] as const;

const SIZES = [
  '5',
  '05',
  '0x5',
  '5 ',
  ' 5',
  '5;x',
  '5;x="\n"',
  '+5',
  '-5',
  '5g',
  'ffffffffffffffff',
  '10000000000000005',
  '0',
  '',
] as const;

const MUTATIONS: readonly ((text: string, random: Random) => string)[] = [
  (text, random) => splice(text, random(text.length + 1), 0, pick(random, BITS)),
  (text, random) => splice(text, random(text.length + 1), 1, ''),
  (text, random) => splice(text, random(text.length + 1), 1, String.fromCharCode(random(256))),
  (text, random) => splice(text, lineStart(text, random), 0, `${pick(random, LINES)}\r\n`),
  (text, random) => splice(text, lineStart(text, random), 0, `${pick(random, LINES)}\r\n`),
  (text, random) => splice(text, lineStart(text, random), 0, `${pick(random, LINES)}\n`),
  (text, random) => {
    const at = lineStart(text, random); // a line twice
    return splice(text, at, 0, text.slice(at, text.indexOf('\n', at) + 1));
  },
  (text, random) => {
    const at = lineStart(text, random); // a line less
    return splice(text, at, Math.max(0, text.indexOf('\n', at) + 1 - at), '');
  },
  (text, random) => text.replace(/\r\n5\r\n/, `\r\n${pick(random, SIZES)}\r\n`),
  (text, random) =>
    text.replace(
      /HTTP\/1\.1/,
      pick(random, ['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/01.1', '']),
    ),
  (text, random) => text.slice(0, random(text.length + 1)),
];

function splice(text: string, at: number, remove: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at + remove);
}

function lineStart(text: string, random: Random): number {
  return text.indexOf('\n', random(text.length + 1)) + 1;
}

const REQUESTS = [
  'GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\n\r\n',
  'POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello',
  'PUT /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n5\r\nhello\r\n3;e=f\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  'HEAD http://a.test/d HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n',
  'DELETE /e HTTP/1.1\r\nHost: a.test:80\r\nContent-Length: 0\r\nCookie: x=1; y=2\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n',
] as const;

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: 1\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;e=f\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello',
  'HTTP/1.1 204 No Content\r\nX-One: 1\r\n\r\n',
  'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello',
] as const;

/** Several requests in a row, or one response, changed in up to three places; sometimes in none. */
export function mutated(kind: 'requests' | 'response', random: Random): string {
  let text = '';
  if (kind === 'response') text = pick(random, RESPONSES);
  else for (let left = 1 + random(3); left > 0; left -= 1) text += pick(random, REQUESTS);
  for (let left = random(4); left > 0; left -= 1) text = pick(random, MUTATIONS)(text, random);
  return text;
}

/** The same bytes in pieces. */
export function* pieces(text: string, random: Random): Generator<Buffer> {
  const bytes = Buffer.from(text, 'latin1');
  const most = pick(random, [1, 3, 20, 200, 100_000]);
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random(most);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
