/**
 * What the conformance tests of Gateway API for meshes run in: namespace `mesh` with a waypoint, a service `echo` over both
 * versions of an application that tells what it was asked, and a service for each version.
 */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request as nodeRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { podYaml, WaypointWorld } from './world.ts';

const VIPS: Readonly<Record<string, string>> = {
  echo: '10.0.0.100',
  'echo-v1': '10.0.0.101',
  'echo-v2': '10.0.0.102',
};

const service = (name: string, selector: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: mesh }
spec:
  clusterIP: ${VIPS[name]}
  selector: { ${selector} }
  ports:
    - { name: http, port: 80, targetPort: 8080, appProtocol: http }
    - { name: http-alt, port: 8080, appProtocol: http }
    - { name: tcp, port: 9090 }
    - { name: grpc, port: 7070 }
---`;

const MESH = `
apiVersion: v1
kind: Namespace
metadata: { name: mesh, labels: { istio.io/use-waypoint: waypoint } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: mesh }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: Hostname, value: waypoint.mesh.svc.cluster.local }] }
---
${service('echo', 'app: echo')}
${service('echo-v1', 'app: echo, version: v1')}
${service('echo-v2', 'app: echo, version: v2')}
${podYaml('mesh', 'echo-v1', 1, 'echo', 'version: v1')}
---
${podYaml('mesh', 'echo-v2', 2, 'echo', 'version: v2')}
`;

export type Asked = {
  readonly service?: string;
  readonly port?: number;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Namespace of the caller. */
  readonly from?: string;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Which version answered; '' when none did. */
  readonly backend: string;
  /** What it was asked. */
  readonly seen: Seen;
};

export type Seen = {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
};

const NOTHING: Seen = { method: '', path: '', host: '', headers: {}, body: '' };

export class EchoMesh {
  readonly world: WaypointWorld;
  /** All that each version was asked, in order. */
  readonly asked: { readonly backend: string; readonly seen: Seen }[] = [];
  /** Instead of the echo, where a test says so. Undefined: echo. */
  misbehave:
    | ((req: IncomingMessage, backend: string, times: number) => number | 'hang' | 'cut' | undefined)
    | undefined;
  readonly #ports = new Map<string, Promise<number>>();

  private constructor(world: WaypointWorld) {
    this.world = world;
  }

  static async start(t: TestContext, routes = ''): Promise<EchoMesh> {
    const world = await WaypointWorld.start(t, { yaml: MESH, gateway: 'mesh/waypoint' });
    const mesh = new EchoMesh(world);
    for (const [n, backend] of [
      [1, 'echo-v1'],
      [2, 'echo-v2'],
    ] as const) {
      await mesh.#serve(n, backend);
    }
    if (routes !== '') await world.apply(routes);
    return mesh;
  }

  /** A request through the waypoint, on a connection of its own. Redirects are not followed. */
  async get(path: string, o: Asked = {}): Promise<Answer> {
    const port = await this.#port(o.from ?? 'mesh', o.service ?? 'echo', o.port ?? 80);
    const req = nodeRequest({
      host: '127.0.0.1',
      port,
      path,
      method: o.method ?? 'GET',
      headers: { host: o.service ?? 'echo', connection: 'close', ...o.headers },
    });
    req.end(o.body);
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    const body = await text(res);
    const backend = String(res.headers['x-backend'] ?? '');
    return {
      status: res.statusCode ?? 0,
      headers: res.headers,
      body,
      backend,
      seen: backend === '' ? NOTHING : JSON.parse(body),
    };
  }

  /** How many of `count` requests each version answered. */
  async shares(count: number, ask: () => Promise<Answer>): Promise<Readonly<Record<string, number>>> {
    const shares: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { backend, status } = await ask();
      const who = backend || String(status);
      shares[who] = (shares[who] ?? 0) + 1;
    }
    return shares;
  }

  /** A unary call of gRPC; what answered, and the headers that it saw. */
  async grpc(method: string, headers: Readonly<Record<string, string>> = {}) {
    const port = await this.#port('mesh', 'echo', 7070);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    try {
      const stream = session.request({
        ':method': 'POST',
        ':path': method,
        ':authority': 'echo:7070',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
      let trailers: IncomingHttpHeaders = {};
      stream.on('trailers', (fields) => {
        trailers = fields;
      });
      const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      const body = await text(stream);
      const status = String(trailers['grpc-status'] ?? head['grpc-status'] ?? '');
      return {
        status,
        backend: String(head['x-backend'] ?? ''),
        seen: body === '' ? {} : (JSON.parse(body) as IncomingHttpHeaders),
      };
    } finally {
      session.destroy();
    }
  }

  async #serve(n: number, backend: string): Promise<void> {
    await this.world.http(n, 8080, async (req, res) => {
      const body = await text(req);
      const { host = '', ...headers } = req.headers;
      const seen = { method: req.method ?? '', path: req.url ?? '', host, headers: headers as Seen['headers'], body };
      const times = this.asked.push({ backend, seen });
      const instead = this.misbehave?.(req, backend, times);
      if (instead === 'hang') return;
      if (instead === 'cut') {
        req.socket.destroy();
        return;
      }
      if (instead !== undefined) res.statusCode = instead;
      res.setHeader('x-backend', backend);
      res.end(JSON.stringify(seen));
    });
    await this.world.http2(n, 7070, (req, res) => {
      const headers = Object.fromEntries(Object.entries(req.headers).filter(([name]) => !name.startsWith(':')));
      req.resume();
      req.on('end', () => {
        res.setHeader('content-type', 'application/grpc');
        res.setHeader('x-backend', backend);
        res.addTrailers({ 'grpc-status': '0' });
        res.end(JSON.stringify(headers));
      });
    });
  }

  #port(from: string, name: string, port: number): Promise<number> {
    const key = `${from} ${name}:${port}`;
    let found = this.#ports.get(key);
    if (found === undefined) {
      found = this.world.through(`${from}/client`, `${VIPS[name]}:${port}`);
      this.#ports.set(key, found);
    }
    return found;
  }
}

/** A route of namespace mesh about service `parent`; `rules` is its YAML in flow style. */
export function routeYaml(kind: string, name: string, parent: string, rules: string, namespace = 'mesh'): string {
  const [service = '', port] = parent.split(':');
  const ref = `{ group: "", kind: Service, name: ${service}, namespace: mesh${port === undefined ? '' : `, port: ${port}`} }`;
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, generation: 1 }
spec:
  parentRefs: [${ref}]
  rules: ${rules.replaceAll(/\s+/g, ' ')}
---`;
}
