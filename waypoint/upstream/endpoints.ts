/** Which endpoint a request goes to: of two that the mesh offers by chance, the one with less to do. */
import { HttpError } from '../../core/http/index.ts';
import type { Candidate, Service, View, Workload } from '../../mesh/index.ts';
import type { SentTo, Target } from '../exchange.ts';

/** How much an endpoint has to do for us, kept for as long as it has anything. */
export class Load {
  active = 0;
}

export type EndpointsOptions = {
  readonly view: View;
  /** Our own place in the mesh: nearer endpoints are preferred where a service says so. */
  readonly place: () => Workload;
  /** In [0, 1). */
  readonly random: () => number;
};

/** What was chosen. `service`: whose further identities it may present, and whose port was meant. */
export type Chosen = { readonly candidate: Candidate; readonly service: Service | undefined; readonly load: Load };

/** Draws for one that was not tried yet; then a second attempt at the same one is better than none. */
const RESELECTIONS = 5;

export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #loads = new Map<string, Load>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
  }

  /** @throws HttpError `connect-failed` (`no_healthy_upstream`) when there is none, or what was asked for does not exist. */
  choose(target: Target, tried: readonly SentTo[]): Chosen {
    if (target.kind === 'workload') {
      const workload = this.#options.view.workloadByUid(target.uid);
      if (workload === undefined) throw unavailable(`workload ${target.uid} is gone`);
      return this.#chosen({ workload, targetPort: target.port }, undefined);
    }
    const service = this.#options.view.serviceByKey(target.service);
    if (service === undefined) {
      const message = `service ${target.service} is not known here`;
      throw new HttpError('connect-failed', message, { detail: 'cluster_not_found', isProcessed: false });
    }
    const candidate = this.#pick(service, target.port, tried);
    return this.#chosen(candidate, service);
  }

  /** Call it when what was begun for a choice has ended. */
  done({ candidate, load }: Chosen): void {
    load.active -= 1;
    if (load.active === 0) this.#loads.delete(keyOf(candidate));
  }

  #chosen(candidate: Candidate, service: Service | undefined): Chosen {
    const key = keyOf(candidate);
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = new Load();
      this.#loads.set(key, load);
    }
    load.active += 1;
    return { candidate, service, load };
  }

  #pick(service: Service, port: number, tried: readonly SentTo[]): Candidate {
    let one = this.#draw(service, port);
    for (let i = 0; i < RESELECTIONS && wasTried(one, tried); i++) one = this.#draw(service, port);
    const other = this.#draw(service, port);
    if (other.workload === one.workload || wasTried(other, tried)) return one;
    return this.#activeOf(other) < this.#activeOf(one) ? other : one;
  }

  #draw(service: Service, port: number): Candidate {
    const { view, place, random } = this.#options;
    const pick = view.balancer(service).pick(place(), port, 'standard', random);
    if (pick.kind === 'picked') return pick.candidate;
    throw unavailable(`${service.hostname} port ${port}: ${pick.reason}`);
  }

  #activeOf(candidate: Candidate): number {
    return this.#loads.get(keyOf(candidate))?.active ?? 0;
  }
}

function keyOf({ workload, targetPort }: Candidate): string {
  return `${workload.uid}:${targetPort}`;
}

function wasTried({ workload }: Candidate, tried: readonly SentTo[]): boolean {
  for (const sent of tried) if (sent.workload.uid === workload.uid) return true;
  return false;
}

function unavailable(message: string): HttpError {
  return new HttpError('connect-failed', message, { detail: 'no_healthy_upstream', isProcessed: false });
}
