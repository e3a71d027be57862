/** An agent in a pod that makes requests for a test, by one command that runs until this is disposed. */
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import type { ExecSession, KubeClient } from '../../core/kube/index.ts';
import type { AgentReply, AgentRequest } from '../conformance/agent-protocol.ts';

const COMMAND = ['/opt/ambit/scripts/node.sh', '/opt/ambit/test/conformance/agent.ts'];

export class AgentPod implements Disposable {
  readonly #session: ExecSession;
  readonly #stdin: Writable;
  readonly #waiting = new Map<number, PromiseWithResolvers<AgentReply>>();
  #asked = 0;
  #complaints = '';
  /** Why nothing can be asked any more. */
  #ended: Error | undefined;

  private constructor(session: ExecSession, stdin: Writable) {
    this.#session = session;
    this.#stdin = stdin;
    createInterface({ input: session.stdout }).on('line', (line) => this.#take(JSON.parse(line) as AgentReply));
    session.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text;
    });
    stdin.on('error', (error) => this.#end(String(error)));
    session.result.then(
      () => this.#end('the agent has ended'),
      (error: unknown) => this.#end(String(error)),
    );
  }

  static async start(client: KubeClient, namespace: string, pod: string): Promise<AgentPod> {
    const session = await client.exec(namespace, pod, { command: COMMAND, stdin: true });
    if (session.stdin === undefined) throw new Error('an agent without standard input');
    return new AgentPod(session, session.stdin);
  }

  /** Rejects when the pod could not make the request, or got no answer. */
  async ask<T>(request: Omit<AgentRequest, 'id'>): Promise<T> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = ++this.#asked;
    const reply = Promise.withResolvers<AgentReply>();
    this.#waiting.set(id, reply);
    this.#stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    const { answer, error } = await reply.promise;
    if (error !== undefined) throw new Error(`${request.to.host}:${request.to.port}${request.path}: ${error}`);
    return answer as T;
  }

  /** The agent ends with its standard input. */
  [Symbol.dispose](): void {
    this.#stdin.end();
    this.#session.close();
  }

  #take(reply: AgentReply): void {
    this.#waiting.get(reply.id)?.resolve(reply);
    this.#waiting.delete(reply.id);
  }

  #end(why: string): void {
    this.#ended ??= new Error(`${why} ${this.#complaints}`);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
