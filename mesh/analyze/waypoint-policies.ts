/** Policies for waypoints that nothing enforces, or that do something else than they say. */
import { fields, list, text, texts } from '../derive/read.ts';
import { WAYPOINT_ACCEPTED } from '../http-policy/derive/accepted.ts';
import type { KubeObject } from '../kube-object.ts';
import type { AppProtocol } from '../model.ts';
import { httpPartsOf } from '../validate/authorization-effect.ts';
import { bindingsOf, boundTo, GATEWAY, isWaypoint } from './bindings.ts';
import { type Finding, finding, formatRef, refOf, some } from './finding.ts';
import { AUTHENTICATION, AUTHORIZATION, portsOfRule, type Target, targetsOf } from './http-rules.ts';
import type { World } from './world.ts';

export function* waypointPolicyProblems(world: World): Generator<Finding> {
  for (const policy of [...world.objects(AUTHORIZATION), ...world.objects(AUTHENTICATION)]) {
    for (const target of targetsOf(policy)) yield* unenforced(policy, target, world);
  }
  for (const policy of world.objects(AUTHORIZATION)) yield* httpOnTcp(policy, world);
  yield* unreadable(world);
  yield* tokenNotRequired(world);
}

function* unenforced(policy: KubeObject, { kind, name, field }: Target, world: World): Generator<Finding> {
  const object = world.find(kind, policy.metadata.namespace ?? '', name);
  if (object === undefined) return; // told as a name that names nothing
  if (kind === GATEWAY && !isWaypoint(object, world)) {
    const className = text(fields(object['spec'])['gatewayClassName']);
    yield finding('AMB0705', refOf(policy), {
      field,
      message: `${formatRef(refOf(object))} is of class ${className}, no waypoint: nothing of this mesh enforces the policy`,
      fix: 'name a waypoint, or the Service that has one',
      related: [refOf(object)],
    });
  }
  const wish = bindingsOf(world).unfulfilled.get(formatRef(refOf(object)));
  // A waypoint that does not exist at all is told of by validation, when the policy is applied, too.
  if (wish === undefined || /does not exist/.test(wish.message)) return;
  yield finding('AMB0705', refOf(policy), {
    field,
    message: `no waypoint enforces this: ${formatRef(refOf(object))} has none that serves it (${wish.message})`,
    fix: `let ${formatRef(refOf(object))} have a waypoint that is ready and admits it`,
    related: [refOf(object)],
  });
}

/** Parts that a waypoint can not read: derivation says what it does about them. */
function* unreadable({ model }: World): Generator<Finding> {
  for (const { object, type, status, reason, message } of model.conditions) {
    if (type !== WAYPOINT_ACCEPTED || status === undefined) continue;
    if (reason !== 'Invalid' && reason !== 'PartiallyInvalid') continue;
    const { kind, namespace, name } = object;
    yield finding(
      'AMB0108',
      { kind, namespace, name },
      {
        field: 'spec',
        message,
        fix: 'correct what the message names',
      },
    );
  }
}

const OPAQUE: ReadonlySet<AppProtocol> = new Set(['TCP', 'TLS']);
const EFFECTS: Readonly<Record<string, string>> = {
  ALLOW: 'the rule allows nothing there, and what no other rule allows is denied',
  DENY: 'the rule loses these conditions there, and denies more than it says',
  AUDIT: 'the rule loses these conditions there',
  CUSTOM: 'the rule loses these conditions there, and more is asked about than it says',
};

/** Where connections are carried as they are, nobody sees requests (waypoint.md section 4.3). */
function* httpOnTcp(policy: KubeObject, world: World): Generator<Finding> {
  const spec = fields(policy['spec']);
  for (const { kind, name } of targetsOf(policy)) {
    const object = kind === GATEWAY ? undefined : world.find(kind, policy.metadata.namespace ?? '', name);
    if (object === undefined) continue;
    const opaque = boundTo(object, world).flatMap(({ ports }) => ports.filter(({ protocol }) => OPAQUE.has(protocol)));
    for (const [index, rule] of list(spec['rules']).entries()) {
      const parts = httpPartsOf(rule);
      const meant = portsOfRule(rule);
      const ports = opaque.filter(({ port }) => meant === undefined || meant.has(port));
      if (parts.length === 0 || ports.length === 0) continue;
      const names = some(ports.map(({ port, protocol }) => `${port} (${protocol})`));
      yield finding('AMB0707', refOf(policy), {
        field: `spec.rules[${index}]`,
        message: `looks at HTTP (${parts.join(', ')}), which nobody sees on port ${names} of ${formatRef(refOf(object))}: ${EFFECTS[text(spec['action']) || 'ALLOW']}`,
        fix: 'name the ports that it is about (to.operation.ports), or declare the port as HTTP: by its name, or appProtocol',
        related: [refOf(object)],
      });
    }
  }
}

/** A RequestAuthentication refuses tokens that are bad; it lets pass who has none (waypoint.md section 4.6). */
function* tokenNotRequired(world: World): Generator<Finding> {
  const requiring = world.objects(AUTHORIZATION).filter(asksForToken);
  const covered = new Set(requiring.flatMap((policy) => [...targetKeys(policy)]));
  for (const authentication of world.objects(AUTHENTICATION)) {
    const { namespace = '' } = authentication.metadata;
    for (const { kind, name, field } of targetsOf(authentication)) {
      const object = world.find(kind, namespace, name);
      const gateways =
        object === undefined || kind === GATEWAY ? [] : boundTo(object, world).flatMap((b) => b.gateways);
      const around = [`${kind} ${namespace}/${name}`, ...gateways.map((key) => `${GATEWAY} ${key}`), EVERY_WAYPOINT];
      if (around.some((key) => covered.has(key))) continue;
      yield finding('AMB0709', refOf(authentication), {
        field,
        message: `refuses bad tokens, and requests without any pass: no AuthorizationPolicy about ${kind.slice(kind.indexOf('/') + 1)} ${name} asks for a token`,
        fix: 'add an AuthorizationPolicy with the same targetRefs, action ALLOW and from.source.requestPrincipals ["*"]',
        ...(object && { related: [refOf(object)] }),
      });
    }
  }
}

const EVERY_WAYPOINT = 'every waypoint';

function* targetKeys(policy: KubeObject): Generator<string> {
  for (const { kind, name } of targetsOf(policy)) {
    yield kind.endsWith('/GatewayClass') ? EVERY_WAYPOINT : `${kind} ${policy.metadata.namespace ?? ''}/${name}`;
  }
}

function asksForToken(policy: KubeObject): boolean {
  return list(fields(policy['spec'])['rules']).some((rule) => {
    const { from, when } = fields(rule);
    const bySource = list(from).some((one) => {
      const { requestPrincipals, notRequestPrincipals } = fields(fields(one)['source']);
      return texts(requestPrincipals).length > 0 || texts(notRequestPrincipals).length > 0;
    });
    return bySource || list(when).some((one) => text(fields(one)['key']).startsWith('request.auth.'));
  });
}
