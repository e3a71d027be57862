import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { ContainerAccess, ExecRequest } from './access.ts';
import { CHANNEL, exitStatus, failureStatus, send } from './channels.ts';

/**
 * Runs a command in a container and joins its streams to the socket. Ends with exactly one Status and close code 1000, which
 * is what clients wait for. When the client goes away first, the command is killed.
 */
export async function serveExec(socket: WebSocket, container: ContainerAccess, request: ExecRequest): Promise<void> {
  const early: Buffer[] = [];
  const hold = (data: RawData) => early.push(data as Buffer);
  socket.on('message', hold); // the client may send its input before the command has started
  let child: ChildProcess;
  try {
    child = await container.exec(request);
  } catch (error) {
    finish(socket, failureStatus(error instanceof Error ? error.message : String(error)));
    return;
  } finally {
    socket.off('message', hold);
  }
  const kill = () => child.kill('SIGKILL');
  socket.once('close', kill);
  child.stdin?.on('error', () => undefined); // the command need not read its input
  const input = (data: RawData) => takeInput(child, data as Buffer);
  for (const message of early) input(message);
  socket.on('message', input);
  const { promise: ended, resolve } = Promise.withResolvers<object>();
  child.once('close', (code, signal) => resolve(exitStatus(code, signal)));
  child.once('error', (error) => resolve(failureStatus(error.message)));
  await Promise.all([forward(child.stdout, socket, CHANNEL.stdout), forward(child.stderr, socket, CHANNEL.stderr)]);
  const status = await ended;
  socket.off('close', kill);
  finish(socket, status);
}

function finish(socket: WebSocket, status: object): void {
  void send(socket, CHANNEL.status, Buffer.from(JSON.stringify(status)));
  socket.close(1000);
}

function takeInput(child: ChildProcess, message: Buffer): void {
  switch (message[0]) {
    case CHANNEL.stdin:
      if (message.length > 1) child.stdin?.write(message.subarray(1));
      return;
    case CHANNEL.close:
      if (message[1] === CHANNEL.stdin) child.stdin?.end();
      return;
    default: // resize without a terminal, and what a newer client may send
  }
}

async function forward(from: Readable | null, socket: WebSocket, channel: number): Promise<void> {
  if (from === null) return;
  try {
    for await (const chunk of from) await send(socket, channel, chunk as Buffer);
  } catch {
    // The command was killed in the middle of a write: its exit status says so.
  }
}
