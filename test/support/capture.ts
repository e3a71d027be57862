import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Segment } from '../../lab/capture/index.ts';
import { readSegments } from './pcap.ts';
import { eventually } from './shell.ts';
import type { World } from './world.ts';

const AMBIT = join(import.meta.dirname, '../../bin/ambit');
let files = 0;

/** Captures what crosses a node's link while `work` runs. */
export async function captured<T>(
  world: World,
  node: string,
  work: () => Promise<T>,
): Promise<{ result: T; segments: Segment[] }> {
  const file = join(world.scratch, `link-${files++}.pcap`);
  const child = spawn(
    AMBIT,
    ['lab', 'capture', '--name', world.lab, '--node', node, '--interface', 'eth0', '--write', file],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  try {
    // The file's header is written once the capture is open: from then on nothing is missed.
    await eventually(
      `the capture on ${node} starts (${said})`,
      async () => (existsSync(file) && statSync(file).size >= 24 ? true : undefined),
      10_000,
    );
    const result = await work();
    return { result, segments: await stop(child, ended, file) };
  } finally {
    child.kill('SIGKILL');
  }
}

async function stop(child: ReturnType<typeof spawn>, ended: Promise<void>, file: string): Promise<Segment[]> {
  child.kill('SIGINT');
  await ended;
  return readSegments(readFileSync(file));
}
