/** What the conformance tests of Gateway API for meshes run in, without a lab: a waypoint in this process, callers and both echoes. */
import type { IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import { ask, askGrpc } from '../conformance/ask.ts';
import { type Answer, type Asked, type GrpcAnswer, readSeen, type Seen, tell, tellGrpc } from '../conformance/echo.ts';
import { meshYaml } from '../conformance/objects.ts';
import type { Echoes } from '../conformance/scenario.ts';
import { podYaml, WaypointWorld } from './world.ts';

const VIPS: Readonly<Record<string, string>> = {
  echo: '10.0.0.100',
  'echo-v1': '10.0.0.101',
  'echo-v2': '10.0.0.102',
};

const MESH = `
${meshYaml({ clusterIps: VIPS, gatewayStatus: '{ addresses: [{ type: Hostname, value: waypoint.mesh.svc.cluster.local }] }' })}
${podYaml('mesh', 'echo-v1', 1, 'echo', 'version: v1')}
---
${podYaml('mesh', 'echo-v2', 2, 'echo', 'version: v2')}
`;

export class EchoMesh implements Echoes {
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

  async get(path: string, o: Asked = {}): Promise<Answer> {
    const port = await this.#port(o.from ?? 'mesh', o.service ?? 'echo', o.port ?? 80);
    return ask({ host: '127.0.0.1', port }, path, o);
  }

  async grpc(method: string, headers: Readonly<Record<string, string>> = {}): Promise<GrpcAnswer> {
    return askGrpc({ host: '127.0.0.1', port: await this.#port('mesh', 'echo', 7070) }, method, headers);
  }

  logged(pattern: RegExp): Promise<string> {
    return this.world.logged(pattern);
  }

  async #serve(n: number, backend: string): Promise<void> {
    await this.world.http(n, 8080, async (req, res) => {
      const seen = await readSeen(req);
      const times = this.asked.push({ backend, seen });
      const instead = this.misbehave?.(req, backend, times);
      if (instead === 'hang') return;
      if (instead === 'cut') {
        req.socket.destroy();
        return;
      }
      if (instead !== undefined) res.statusCode = instead;
      tell(res, backend, seen);
    });
    await this.world.http2(n, 7070, (req, res) => tellGrpc(req, res, backend));
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
