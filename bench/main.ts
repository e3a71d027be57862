/** `npm run bench -- SUITE…`: measures Ambit beside what it finds; `--help` says how. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import { dirname } from 'node:path';
import { ScratchDir } from '../test/support/leftovers.ts';
import { needsRoot } from '../test/support/netns.ts';
import { chart } from './chart.ts';
import { compile, withoutCompiler } from './load.ts';
import { helpText, type Options, parseOptions } from './options.ts';
import { ambit, findZtunnel, type MeshPeer } from './peers/ambit.ts';
import { findEnvoy } from './peers/envoy.ts';
import { findHaproxy } from './peers/haproxy.ts';
import { findNginx } from './peers/nginx.ts';
import { none } from './peers/none.ts';
import type { Found, Peer } from './peers/peer.ts';
import { Samples, table } from './report.ts';
import { connect } from './suites/connect.ts';
import { growth } from './suites/growth.ts';
import { hbone } from './suites/hbone.ts';
import { l7 } from './suites/l7.ts';
import { latency } from './suites/latency.ts';
import { memory } from './suites/memory.ts';
import { mesh } from './suites/mesh.ts';
import { neighbour } from './suites/neighbour.ts';
import { propagation } from './suites/propagation.ts';
import { messageOf, type Suite } from './suites/suite.ts';

/** What it says, whether it needs namespaces and load programs, and what runs. */
type SuiteEntry = { readonly what: string; readonly network: boolean; readonly run: Suite };
const SUITES: Readonly<Record<string, SuiteEntry>> = {
  hbone: { what: 'bytes through two proxies: 1 and 16 streams, CPU per GB', network: true, run: hbone },
  connect: { what: 'new connections a second through a warm tunnel', network: true, run: connect },
  latency: { what: 'request and response of 100 bytes on open connections', network: true, run: latency },
  memory: { what: 'what a ztunnel holds: idle, for each idle tunnel and open connection', network: true, run: memory },
  propagation: {
    what: 'from a push until it is enforced, among 10 to 10,000 workloads',
    network: true,
    run: propagation,
  },
  neighbour: { what: 'the p99 of a pod beside a flood, and while a mesh arrives', network: true, run: neighbour },
  growth: {
    what: 'one stream beside 10,000 open connections, connects among 10,000 services',
    network: true,
    run: growth,
  },
  l7: { what: 'HTTP through a waypoint: HTTP/1.1 and HTTP/2, tunnels, routes, policies', network: false, run: l7 },
  mesh: { what: 'the pure heart: policies, outbound decisions, derivation', network: false, run: mesh },
};

const isHere = (found: Found | MeshPeer): found is Peer => 'start' in found;

async function main(o: Options): Promise<void> {
  using scratch = new ScratchDir('ambit-bench');
  const skip = (why: string) => console.log(`skipped: ${why}`);
  const wanted = (name: string) => o.only?.includes(name) ?? true;
  const found = [none, ambit(o.hbone), findHaproxy(), findNginx(), findEnvoy(), findZtunnel(o.ztunnel)];
  const candidates = found.filter(({ name }) => wanted(name));
  for (const peer of candidates) if (!isHere(peer)) skip(`${peer.name}: ${peer.skipped}`);
  const peers = candidates.filter(isHere);
  const meshes = peers.filter((peer): peer is MeshPeer => 'startMesh' in peer);
  const congestionControl = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  console.log(`Linux ${release()}, ${cpus().length} cores, TCP with ${congestionControl}`); // which paces all tunnels, of all peers
  for (const { name, version, cipherSuite } of peers) console.log(`${name}: ${version}, ${cipherSuite}`);

  if (o.captured) console.log('captured: connections are redirected to haproxy, nginx and envoy, as those of pods are');

  const impossible = needsRoot || withoutCompiler();
  const programs = impossible ? { client: '', server: '' } : compile(scratch.path);
  const samples = new Samples();
  const { rounds, seconds, captured } = o;
  const context = { programs, scratch: scratch.path, samples, rounds, seconds, captured, peers, meshes, skip };
  for (const name of o.suites) {
    const suite = SUITES[name];
    if (suite === undefined) continue;
    if (suite.network && impossible) {
      skip(`${name}: ${impossible}`);
      continue;
    }
    console.log(`== ${name}`);
    await suite.run(context);
  }

  const rows = samples.rows();
  if (rows.length === 0) throw new Error('nothing was measured');
  console.log(`\n${table(rows)}`);
  const machine = {
    kernel: release(),
    arch: arch(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    congestionControl,
    node: process.version,
    openssl: process.versions.openssl,
    peers: Object.fromEntries(peers.map(({ name, version, cipherSuite }) => [name, { version, cipherSuite }])),
    rounds,
    seconds,
    captured,
  };
  if (o.json !== undefined) write(o.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  write(o.svg, chart(rows, `Ambit beside its peers (${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel})`));
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`written: ${file}`);
}

try {
  const options = parseOptions(process.argv.slice(2), Object.keys(SUITES));
  if (options === undefined) {
    console.log(helpText(Object.fromEntries(Object.entries(SUITES).map(([name, { what }]) => [name, what]))));
  } else await main(options);
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
