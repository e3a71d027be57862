/**
 * From the wish for a waypoint to the waypoint. A wish that can not be fulfilled leads to no waypoint, as in the reference (what
 * must not go without it is denied: `require-waypoint.ts`), and says so with its reason: in a condition of the object, or, for pods, to whoever asks.
 */
import type { ApplicationTunnel } from '../model.ts';
import { allowsNamespace, effectiveSettings, type GatewayFacts, isReady } from './gateway.ts';
import type { Inputs } from './inputs.ts';
import type { Labels } from './read.ts';
import { gatewayKey, type WaypointWish } from './waypoint-wish.ts';

export type UnboundReason =
  | 'WaypointIsNotReady'
  | 'AttachmentDenied'
  | 'UnsupportedTrafficType'
  | 'CrossNamespaceWaypointForbidden';

export type CanaryReason = UnboundReason | 'CanaryInvalidWeight' | 'CanarySameAsPrimary';

type Failure<Reason> = { readonly kind: 'unbound'; readonly reason: Reason; readonly message: string };

export type WaypointBinding =
  /** Nobody asks for one. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'bound';
      readonly gateway: GatewayFacts;
      readonly canary: CanaryBinding | undefined;
    }
  | Failure<UnboundReason>;

export type CanaryBinding =
  | { readonly kind: 'canary'; readonly gateway: GatewayFacts /** Percent. */; readonly weight: number }
  | Failure<CanaryReason>;

/** Who asks. */
export type Bindable = {
  readonly namespace: string;
  readonly waypoint: WaypointWish | undefined;
  readonly traffic: 'service' | 'workload';
  /** Nobody outside of its namespace may see it. */
  readonly isPrivate?: boolean;
};

const NONE: WaypointBinding = { kind: 'none' };
/** Labelled on pods of a gateway, with its name. */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

export class Waypoints {
  readonly #inputs: Inputs;

  constructor(inputs: Inputs) {
    this.#inputs = inputs;
  }

  bind(asking: Bindable): WaypointBinding {
    const inherited = this.#inputs.namespaces.get(asking.namespace)?.waypoint;
    const wish = asking.waypoint ?? inherited;
    if (wish === undefined || wish.optOut) return NONE;
    const found = this.#find(gatewayKey(wish, asking.namespace), asking);
    if (found.kind === 'unbound') {
      // A workload that merely inherits the wish is not what most waypoints are for: that is no mistake of anybody.
      const isMistake = found.reason !== 'UnsupportedTrafficType' || asking.waypoint !== undefined;
      return isMistake || asking.traffic === 'service' ? found : NONE;
    }
    const canary = asking.traffic === 'service' ? this.#canary(wish, found.gateway, asking) : undefined;
    return { kind: 'bound', gateway: found.gateway, canary };
  }

  /** The waypoint that a pod with these labels serves, by its tunnel to the application. */
  served(namespace: string, labels: Labels): { readonly tunnel: ApplicationTunnel | undefined } | undefined {
    const name = labels[GATEWAY_NAME_LABEL];
    const gateway = name ? this.#inputs.gateways.get(`${namespace}/${name}`) : undefined;
    return gateway && isReady(gateway) ? { tunnel: this.#settings(gateway).binding } : undefined;
  }

  #settings(gateway: GatewayFacts) {
    return effectiveSettings(gateway, this.#inputs.gatewayClasses.get(gateway.className));
  }

  #find(key: string, asking: Bindable): { kind: 'found'; gateway: GatewayFacts } | Failure<UnboundReason> {
    const gateway = this.#inputs.gateways.get(key);
    if (gateway === undefined) {
      return unbound('WaypointIsNotReady', `waypoint ${key} does not exist`);
    }
    if (!isReady(gateway)) {
      return unbound('WaypointIsNotReady', `waypoint ${key} has no address yet`);
    }
    const { namespace } = asking;
    const { traffic = 'service', binding } = this.#settings(gateway);
    const labels = this.#inputs.namespaces.get(namespace)?.labels ?? {};
    if (!allowsNamespace(gateway, binding, namespace, labels)) {
      return unbound('AttachmentDenied', `waypoint ${key} does not admit namespace ${namespace} (allowedRoutes)`);
    }
    if (traffic !== 'all' && traffic !== asking.traffic) {
      const message = `waypoint ${key} is for traffic of type ${traffic}, not to a ${asking.traffic}`;
      return unbound('UnsupportedTrafficType', message);
    }
    if (asking.isPrivate === true && gateway.namespace !== namespace) {
      const message = `only namespace ${namespace} may see this, and waypoint ${key} is in another`;
      return unbound('CrossNamespaceWaypointForbidden', message);
    }
    return { kind: 'found', gateway };
  }

  #canary(wish: WaypointWish, primary: GatewayFacts, asking: Bindable): CanaryBinding | undefined {
    const { canary } = wish;
    if (canary === undefined) return undefined;
    const key = gatewayKey(canary, asking.namespace);
    if (key === primary.key) return unbound('CanarySameAsPrimary', `canary ${key} is the waypoint itself`);
    const weight = /^\d{1,3}$/.test(canary.weight) ? Number(canary.weight) : Number.NaN;
    if (!(weight <= 100)) {
      return unbound('CanaryInvalidWeight', `weight ${JSON.stringify(canary.weight)} of the canary is not 0 to 100`);
    }
    const found = this.#find(key, asking);
    return found.kind === 'unbound' ? found : { kind: 'canary', gateway: found.gateway, weight };
  }
}

function unbound<Reason extends CanaryReason>(reason: Reason, message: string): Failure<Reason> {
  return { kind: 'unbound', reason, message };
}
