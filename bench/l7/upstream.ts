/**
 * What is behind the proxies, a process of its own: answers HTTP/1.1 with bytes that were made before, 1 KB, or 1 MB under `/stream`.
 * Says its port to who started it, and ends with it.
 */
import { type AddressInfo, createServer } from 'node:net';

const BLANK_LINE = '\r\n\r\n';
const answerOf = (bytes: number) =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${bytes}${BLANK_LINE}${'x'.repeat(bytes)}`,
  );
const [small, large] = [answerOf(1024), answerOf(1_000_000)];

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    rest += bytes.toString('latin1');
    for (let end = rest.indexOf(BLANK_LINE); end >= 0; end = rest.indexOf(BLANK_LINE)) {
      socket.write(rest.startsWith('GET /stream') ? large : small);
      rest = rest.slice(end + BLANK_LINE.length);
    }
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit());
