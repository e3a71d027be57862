/**
 * Validating webhooks, really called. Handlers are synchronous, so that nobody overtakes them between reading and writing; a
 * webhook takes its time. So a handler that comes to a write which is not yet agreed to stops there, the webhooks are asked,
 * and the handler runs again from the beginning. If the object has changed meanwhile, that is another write, and they are
 * asked again. Mutating webhooks are not called.
 */
import { randomUUID } from 'node:crypto';
import type { Caller } from '../auth/caller.ts';
import type { Reply } from '../http/reply.ts';
import { ApiStatusError, badRequest, conflict, type Json, notImplemented, type ResourceInfo } from '../pure/index.ts';
import type { Registry } from '../resources/registry.ts';
import { type Store, storageKey } from '../store/store.ts';
import type { Admission, Attempt } from './attempt.ts';
import { callWebhook } from './call.ts';
import { matchWebhook, type Surroundings } from './matching.ts';
import { REVIEW_VERSION, readReview, reviewBody, reviewRequest } from './review.ts';
import { type Webhook, webhooksOf } from './webhook.ts';

const REGISTRATION = 'admissionregistration.k8s.io';
const CONFIGURATIONS = storageKey(REGISTRATION, 'validatingwebhookconfigurations');
/** How often the same write may be overtaken. */
const MAX_ROUNDS = 5;

type Parts = { readonly store: Store; readonly registry: Registry };
/** A webhook to ask, with the version of the object that it wants. */
type Call = { readonly webhook: Webhook; readonly version: string };

/** Not a failure: the handler's way out, to come again when the webhooks have agreed. */
class Pending extends Error {
  readonly attempt: Attempt;
  readonly calls: readonly Call[];
  constructor(attempt: Attempt, calls: readonly Call[]) {
    super('admission is pending');
    this.attempt = attempt;
    this.calls = calls;
  }
}

/** The admission of one request. */
export class RequestAdmission implements Admission {
  readonly #parts: Parts;
  readonly #caller: Caller;
  readonly #admitted = new Set<string>();
  readonly #warnings = new Set<string>();
  #name: string | undefined;

  constructor(parts: Parts, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
  }

  check(attempt: Attempt): void {
    if (this.#admitted.has(keyOf(attempt))) return;
    const calls = this.#callsFor(attempt);
    if (calls.length > 0) throw new Pending(attempt, calls);
  }

  generatedName(make: () => string): string {
    this.#name ??= make();
    return this.#name;
  }

  /** Runs the handler until everything it writes is agreed to. Throws what it throws, and what a webhook says against it. */
  async run(handle: () => Reply | Promise<Reply>): Promise<Reply> {
    const rounds = new Map<string, number>();
    try {
      for (;;) {
        try {
          return withWarnings(await handle(), this.#warnings);
        } catch (error) {
          if (!(error instanceof Pending)) throw error;
          const { attempt } = error;
          const name = nameOf(attempt);
          const round = (rounds.get(name) ?? 0) + 1;
          if (round > MAX_ROUNDS) throw conflict(attempt.info, name);
          rounds.set(name, round);
          await this.#ask(error);
          this.#admitted.add(keyOf(attempt));
        }
      }
    } catch (error) {
      if (error instanceof ApiStatusError && this.#warnings.size > 0) error.warnings = [...this.#warnings];
      throw error;
    }
  }

  #callsFor(attempt: Attempt): readonly Call[] {
    // As upstream, so that a webhook can not lock itself in.
    if (attempt.info.group === REGISTRATION) return [];
    const configurations = this.#parts.store.list(CONFIGURATIONS);
    return configurations.flatMap(webhooksOf).flatMap((webhook) => {
      const request = (version: string): Json => reviewRequest(attempt, this.#caller, version, '');
      const match = matchWebhook(webhook, attempt, request, this.#around());
      if (match.kind === 'yes') return [{ webhook, version: match.version }];
      if (match.kind === 'failed' && webhook.failsClosed) throw failure(webhook, match.why);
      return [];
    });
  }

  #around(): Surroundings {
    const { store, registry } = this.#parts;
    return {
      namespaceLabels: (name) => store.get(storageKey('', 'namespaces'), '', name)?.metadata.labels,
      versionsOf: ({ group, plural }: ResourceInfo) =>
        registry
          .groups()
          .flatMap(({ versions }) =>
            versions
              .filter((v) => v.resources.some((r) => r.group === group && r.plural === plural))
              .map((v) => v.version),
          ),
    };
  }

  /** All at once, as upstream; the first that refuses, in the order of configurations, is the one who speaks. */
  async #ask({ attempt, calls }: Pending): Promise<void> {
    const answers = await Promise.allSettled(calls.map((call) => this.#askOne(attempt, call)));
    const refused = answers.find((answer) => answer.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }

  async #askOne(attempt: Attempt, { webhook, version }: Call): Promise<void> {
    if (attempt.dryRun && !webhook.sideEffectFree) {
      throw badRequest(`admission webhook "${webhook.name}" does not support dry run`);
    }
    if (attempt.subresource === 'scale') {
      throw notImplemented(`this lab can not ask webhooks ("${webhook.name}") about the subresource scale`);
    }
    const uid = randomUUID();
    const request = reviewRequest(attempt, this.#caller, version, uid);
    let answer: ReturnType<typeof readReview>;
    try {
      if (!webhook.reviewVersions.includes('v1')) throw new Error(`it does not take ${REVIEW_VERSION}`);
      answer = readReview(webhook.name, uid, await callWebhook(webhook, reviewBody(request), this.#parts.store));
    } catch (error) {
      if (!webhook.failsClosed) return;
      throw failure(webhook, error instanceof Error ? error.message : String(error));
    }
    for (const warning of answer.warnings) this.#warnings.add(warning);
    if (answer.denial !== undefined) throw answer.denial;
  }
}

function failure(webhook: Webhook, why: string): ApiStatusError {
  const message = `Internal error occurred: failed calling webhook "${webhook.name}": failed to call webhook: ${why}`;
  return new ApiStatusError(500, 'InternalError', message);
}

const nameOf = ({ object, old }: Attempt): string => (object ?? old)?.metadata.name ?? '';

/** One write: the same object, from the same state. */
function keyOf(attempt: Attempt): string {
  const { operation, info, subresource, object, old } = attempt;
  const namespace = (object ?? old)?.metadata.namespace ?? '';
  const state = old === undefined ? '' : `${old.metadata.uid}@${old.metadata.resourceVersion}`;
  return [operation, info.group, info.plural, subresource, namespace, nameOf(attempt), state].join('\n');
}

function withWarnings(reply: Reply, warnings: ReadonlySet<string>): Reply {
  if (reply.kind !== 'json' || warnings.size === 0) return reply;
  return { ...reply, warnings: [...(reply.warnings ?? []), ...warnings] };
}
