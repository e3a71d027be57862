/** Questions and answers between two threads, over one port. */

import { MeshError, type MeshErrorCode } from '../../mesh/index.ts';
import { describeError } from '../telemetry/index.ts';

/** One kind of question: what it is asked with, and what is answered. */
export type Call<Parameter, Result> = readonly [Parameter, Result];

export type Calls = { readonly [name: string]: Call<unknown, unknown> };

export type Handlers<C extends Calls> = {
  readonly [N in keyof C]: (parameter: C[N][0]) => C[N][1] | Promise<C[N][1]>;
};

type Failure = { readonly code: MeshErrorCode | undefined; readonly text: string };
type Message<Mine extends Calls> =
  | { readonly kind: 'ask'; readonly id: number; readonly name: keyof Mine; readonly parameter: never }
  | { readonly kind: 'hello'; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure };

/** `Theirs` is what the other side answers, `Mine` what this one does. */
export class Link<Theirs extends Calls, Mine extends Calls> {
  readonly #post: (message: unknown) => void;
  readonly #handlers: Handlers<Mine>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #broken: Error | undefined;

  /** What comes from the other side has to be given to {@link received}. */
  constructor(post: (message: unknown) => void, handlers: Handlers<Mine>) {
    this.#post = post;
    this.#handlers = handlers;
  }

  /** Rejects with the other side's error, or with why the link is broken. The other side takes questions in order. */
  ask<N extends keyof Theirs>(name: N, parameter: Theirs[N][0]): Promise<Theirs[N][1]> {
    return this.#question((id) => ({ kind: 'ask', id, name, parameter })) as Promise<Theirs[N][1]>;
  }

  /** Resolves when the other side takes messages, whatever else it is busy with. */
  async hello(): Promise<void> {
    await this.#question((id) => ({ kind: 'hello', id }));
  }

  /** The same when the result does not matter. */
  tell<N extends keyof Theirs>(name: N, parameter: Theirs[N][0]): void {
    this.ask(name, parameter).catch(() => {}); // who dies is noticed by its exit
  }

  /** The other thread is gone: whoever waits learns it. */
  break(why: Error): void {
    this.#broken ??= why;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }

  received(message: Message<Mine>): void {
    switch (message.kind) {
      case 'ask':
        void this.#answer(message);
        return;
      case 'hello':
        this.#post({ kind: 'answer', id: message.id, value: undefined });
        return;
      case 'answer':
        this.#taken(message.id)?.resolve(message.value);
        return;
      case 'failure':
        this.#taken(message.id)?.reject(errorOf(message.failure));
        return;
      default:
        message satisfies never;
    }
  }

  #question(message: (id: number) => unknown): Promise<unknown> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    this.#lastId += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, waiting);
    this.#post(message(this.#lastId));
    return waiting.promise;
  }

  #taken(id: number): PromiseWithResolvers<unknown> | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  async #answer({ id, name, parameter }: Extract<Message<Mine>, { kind: 'ask' }>): Promise<void> {
    try {
      const value = await this.#handlers[name](parameter);
      this.#post({ kind: 'answer', id, value });
    } catch (error) {
      this.#post({ kind: 'failure', id, failure: failureOf(error) });
    }
  }
}

function failureOf(error: unknown): Failure {
  const code = error instanceof MeshError ? error.code : undefined;
  const text = describeError(error);
  return { code, text: code === undefined ? text : text.replace(`[${code}] `, '') };
}

function errorOf({ code, text }: Failure): Error {
  return code === undefined ? new Error(text) : new MeshError(code, text);
}
