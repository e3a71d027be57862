/** An agent in a pod that makes requests for a test, by one command that runs until this is disposed. */
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import type { ExecSession, KubeClient } from '../../core/kube/index.ts';
import type { AgentReply, AgentRequest } from '../conformance/agent-protocol.ts';

const COMMAND = ['/opt/ambit/scripts/node.sh', '/opt/ambit/test/conformance/agent.ts'];

export class AgentPod implements AsyncDisposable {
  readonly #session: ExecSession;
  readonly #stdin: Writable;
  readonly #waiting = new Map<number, PromiseWithResolvers<AgentReply>>();
  #asked = 0;
  #complaints = '';

  private constructor(session: ExecSession, stdin: Writable) {
    this.#session = session;
    this.#stdin = stdin;
    createInterface({ input: session.stdout }).on('line', (line) => this.#take(JSON.parse(line) as AgentReply));
    session.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text;
    });
    session.result.then(
      () => this.#fail('the agent has ended'),
      (error: unknown) => this.#fail(String(error)),
    );
  }

  static async start(client: KubeClient, namespace: string, pod: string): Promise<AgentPod> {
    const session = await client.exec(namespace, pod, { command: COMMAND, stdin: true });
    if (session.stdin === undefined) throw new Error('an agent without standard input');
    return new AgentPod(session, session.stdin);
  }

  /** Rejects when the pod could not make the request, or got no answer. */
  async ask<T>(request: Omit<AgentRequest, 'id'>): Promise<T> {
    const id = ++this.#asked;
    const reply = Promise.withResolvers<AgentReply>();
    this.#waiting.set(id, reply);
    this.#stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    const { answer, error } = await reply.promise;
    if (error !== undefined) throw new Error(`${request.to.host}:${request.to.port}${request.path}: ${error}`);
    return answer as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stdin.end();
    await this.#session.result.catch(() => {}); // the pod may be gone
    this.#session.close();
  }

  #take(reply: AgentReply): void {
    this.#waiting.get(reply.id)?.resolve(reply);
    this.#waiting.delete(reply.id);
  }

  #fail(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${why} ${this.#complaints}`));
    this.#waiting.clear();
  }
}
