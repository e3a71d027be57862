/** Asks from inside of a pod what standard input says, a line of JSON each, and answers in lines, so that a process serves many requests. */
import { createInterface } from 'node:readline';
import type { AgentReply, AgentRequest } from './agent-protocol.ts';
import { ask, askGrpc } from './ask.ts';

const DEADLINE_MS = 10_000;

createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line) as AgentRequest;
  const reply = await Promise.race([answer(request), late(request)]);
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});

async function answer({ id, to, path, asked, isGrpc }: AgentRequest): Promise<AgentReply> {
  try {
    return { id, answer: isGrpc ? await askGrpc(to, path, asked.headers) : await ask(to, path, asked) };
  } catch (error) {
    return { id, error: String(error) };
  }
}

const late = ({ id }: AgentRequest): Promise<AgentReply> =>
  new Promise((resolve) =>
    setTimeout(resolve, DEADLINE_MS, { id, error: `no answer within ${DEADLINE_MS / 1000} s` }).unref(),
  );
