/** `nft` and `ip`, run inside a network namespace. */
import type { NetnsRef } from '../../core/net/index.ts';
import { spawnInNetns } from '../../core/net/index.ts';
import { MeshError } from '../../mesh/index.ts';

/** A tool that hangs (a lock, a broken kernel) must not hang the pod's start for longer than the plugin waits. */
const TOOL_TIMEOUT_MS = 4_000;
const MAX_OUTPUT_BYTES = 4 << 20;

export type ToolResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a tool in a namespace with the given standard input; resolves with whatever it did. Rejects when it can't be started. */
export function runTool(
  netns: NetnsRef,
  command: 'nft' | 'ip',
  args: readonly string[],
  stdin = '',
): Promise<ToolResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ToolResult>();
  const child = spawnInNetns(netns, command, args, {
    stdio: 'pipe',
    timeout: TOOL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  child.once('error', (cause) => reject(new MeshError('TOOL_MISSING', `can't run ${command}`, { cause })));
  child.once('close', (code) => resolve({ code, stdout: out(), stderr: err().trim() }));
  child.stdin?.on('error', () => {}); // it ended without reading: its exit status says why
  child.stdin?.end(stdin);
  return promise;
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString();
}

/** Loads a script as one transaction: all of it or nothing. */
export async function loadNft(netns: NetnsRef, script: string): Promise<void> {
  const { code, stderr } = await runTool(netns, 'nft', ['-f', '-'], script);
  if (code !== 0) throw new MeshError('NFT_FAILED', `nft refused the rules (exit ${code}): ${stderr}`);
}
