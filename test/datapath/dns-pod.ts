/** A pod with a DNS proxy, and name servers beside it: real namespaces and redirection; a view fed by the test. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyRules, planRules } from '../../cni/redirect/index.ts';
import { listenTcp, openUdp, TcpListener, type UdpPeer, UdpSocket } from '../../core/net/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import { systemClock } from '../../core/time/index.ts';
import { type Address, type Service, View, type Workload } from '../../mesh/index.ts';
import {
  type Asking,
  type DnsConfig,
  type DnsObserver,
  DnsService,
  type DropReason,
  defaultDnsConfig,
  type Protocol,
  type ServedDns,
} from '../../ztunnel/dns/index.ts';
import { DnsStream } from '../../ztunnel/dns/stream.ts';
import { type Asked, queryBytes } from '../../ztunnel/dns/test-query.ts';
import { ScratchDir } from '../support/leftovers.ts';
import { eventually, type TestHost, TestNet } from '../support/netns.ts';
import { workload } from '../ztunnel/support/resources.ts';

/** Remembers what the proxy tells. */
export class RecordingDns implements DnsObserver {
  readonly asked_: string[] = [];
  readonly results: string[] = [];
  readonly dropped_: DropReason[] = [];
  readonly warnings: string[] = [];
  readonly upstream: boolean[] = [];

  asked({ query, protocol }: Asking): void {
    this.asked_.push(`${query.name} ${query.type} ${protocol}`);
  }
  forwarded(_asking: Asking, { failed }: { readonly failed: boolean }): void {
    this.upstream.push(failed);
  }
  answered(_asking: Asking, { result, endpoints }: { readonly result: string; readonly endpoints: number }): void {
    this.results.push(`${result} (${endpoints})`);
  }
  dropped(reason: DropReason): void {
    this.dropped_.push(reason);
  }
  warn(message: string, fields: Readonly<Record<string, string | number>>): void {
    this.warnings.push(`${message} ${JSON.stringify(fields)}`);
  }
}

/** What a name server does with a query: answers with these bytes, or stays silent. */
export type Behaviour = (query: Buffer, protocol: Protocol) => Buffer | undefined;

/** A name server on port 53 of a host, both families and protocols. */
export class NameServer implements Disposable {
  readonly seen: Buffer[] = [];
  readonly from: string[] = [];
  readonly #stack = new DisposableStack();

  constructor(host: TestHost, behave: Behaviour) {
    for (const ip of ['0.0.0.0', '::']) {
      const socket: UdpSocket = new UdpSocket(
        openUdp({ netns: host.netns, bind: { ip, port: 53 } }),
        {
          datagram: (view, from) => {
            this.seen.push(Buffer.from(view));
            this.from.push(from.address?.ip ?? '');
            const answer = answerOf(behave, view, 'udp');
            if (answer !== undefined) socket.send(answer, from);
          },
          failed: assert.fail,
        },
        { perTurn: 16 },
      );
      this.#stack.use(socket);
      const fd = listenTcp({ netns: host.netns, ip, port: 53, v6only: true });
      const serve = (connection: ConstructorParameters<typeof DnsStream>[0]) => {
        const stream = new DnsStream(connection, {
          message: (view) => {
            this.seen.push(Buffer.from(view));
            const answer = answerOf(behave, view, 'tcp');
            if (answer !== undefined) stream.send(answer);
          },
          end: () => stream.close(),
          over: () => {},
        });
        stream.resume();
      };
      this.#stack.use(new TcpListener(fd, serve, { perTurn: 16, onError: assert.fail }));
    }
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** It does not understand a mangled query, and is silent. */
function answerOf(behave: Behaviour, view: Buffer, protocol: Protocol): Buffer | undefined {
  try {
    return behave(Buffer.from(view), protocol);
  } catch {
    return undefined;
  }
}

const CLIENT = { namespace: 'shop', name: 'client', serviceAccount: 'client' };

const addressOf = (resource: Service | Workload): Address =>
  'uid' in resource ? { kind: 'workload', workload: resource } : { kind: 'service', service: resource };

export type DnsPodOptions = {
  readonly resources?: readonly (Service | Workload)[];
  readonly config?: Partial<DnsConfig>;
  /** What the name servers at `dns` and `dns2` do; they are not there without it. */
  readonly dns?: Behaviour;
  readonly dns2?: Behaviour;
  /** Of those two, as the file lists them; default `dns` at IPv4. */
  readonly servers?: (net: TestNet) => readonly string[];
  /** The control plane does not know the pod. */
  readonly unknown?: boolean;
  readonly client?: Partial<Pick<Workload, 'services'>>;
};

export class DnsPod implements AsyncDisposable {
  readonly net: TestNet;
  readonly view: View;
  readonly observer: RecordingDns;
  readonly proxy: ServedDns;
  readonly dns: NameServer | undefined;
  readonly dns2: NameServer | undefined;
  readonly resolvConf: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<DnsPod, 'net' | 'view' | 'observer' | 'proxy' | 'dns' | 'dns2' | 'resolvConf'>,
    stack: AsyncDisposableStack,
  ) {
    this.net = parts.net;
    this.view = parts.view;
    this.observer = parts.observer;
    this.proxy = parts.proxy;
    this.dns = parts.dns;
    this.dns2 = parts.dns2;
    this.resolvConf = parts.resolvConf;
    this.#stack = stack;
  }

  static async create(o: DnsPodOptions = {}): Promise<DnsPod> {
    await using stack = new AsyncDisposableStack();
    const net = stack.use(await TestNet.create({ hosts: { client: {}, dns: {}, dns2: {} } }));
    const host = net.host('client');
    const resolvConf = join(stack.use(new ScratchDir('ambit-dns')).path, 'resolv.conf');
    stack.defer(() => rmSync(resolvConf, { force: true }));
    const servers = o.servers?.(net) ?? [net.host('dns').ip4];
    writeFileSync(resolvConf, servers.map((server) => `nameserver ${server}\n`).join(''));
    const view = new View({ network: '', localNode: '' });
    for (const resource of o.resources ?? []) view.upsertAddress(addressOf(resource));
    const client = workload({ name: 'client', node: 'n1', ips: [host.ip4, host.ip6], ...o.client });
    if (o.unknown !== true) view.upsertAddress(addressOf(client));
    const observer = new RecordingDns();
    const service = new DnsService({
      config: { ...defaultDnsConfig(), retryMs: 100, deadlineMs: 700, resolvConf, ...o.config },
      view,
      mark: 1337,
      reusePort: true,
      observe: observer,
      log: createLogger({ format: 'plain', level: 'error', root: 'test', write: () => {} }),
      clock: systemClock,
      now: () => performance.now(),
      random: () => randomInt(1_000) / 1_000,
    });
    const proxy = service.serve(CLIENT, host.netns, async () => {
      return view.localWorkload(CLIENT) ?? assert.fail('client is not known to the control plane');
    });
    stack.defer(() => proxy.stopNow());
    await applyRules(
      host.netns,
      planRules({ ipv6: true, dnsCapture: true, bypassInbound: false, virtualInterfaces: [] }),
    );
    const dns = o.dns && stack.use(new NameServer(net.host('dns'), o.dns));
    const dns2 = o.dns2 && stack.use(new NameServer(net.host('dns2'), o.dns2));
    return new DnsPod({ net, view, observer, proxy, dns, dns2, resolvConf }, stack.move());
  }

  get host(): TestHost {
    return this.net.host('client');
  }

  /** What an application of the pod gets that asks a name server somewhere else; no answer is an error. */
  async ask(asked: Asked, how: Protocol = 'udp', to = this.net.host('dns').ip4): Promise<Buffer> {
    return this.send(queryBytes(asked), how, to);
  }

  async send(message: Buffer, how: Protocol, to: string, port = 53): Promise<Buffer> {
    if (how === 'tcp') return this.#sendTcp(message, to, port);
    using client = this.udp(to, port);
    client.socket.send(message);
    return await eventually(`an answer of ${to}`, () => client.answers[0]);
  }

  /** A socket of an application. */
  udp(to: string, port = 53) {
    const answers: Buffer[] = [];
    const errors: string[] = [];
    const events = {
      datagram: (view: Buffer, _from: UdpPeer) => void answers.push(Buffer.from(view)),
      failed: (error: Error) => void errors.push(error.message),
    };
    const fd = openUdp({ netns: this.host.netns, connect: { ip: to, port } });
    const socket = new UdpSocket(fd, events, { perTurn: 64 });
    return { socket, answers, errors, [Symbol.dispose]: () => socket[Symbol.dispose]() };
  }

  async #sendTcp(message: Buffer, to: string, port: number): Promise<Buffer> {
    const socket = await this.host.dial({ ip: to, port });
    const framed = Buffer.alloc(2);
    framed.writeUInt16BE(message.length);
    socket.end(Buffer.concat([framed, message]));
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    const all = Buffer.concat(chunks);
    assert.equal(all.length, all.readUInt16BE(0) + 2, 'one whole message');
    return all.subarray(2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
