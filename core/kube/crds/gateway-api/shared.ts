/** Pieces that the kinds of Gateway API share (crds.md section 1.3). */
import * as z from 'zod';
import { cel } from '../openapi.ts';

export const MAX_PORT = 65_535;
const MAX_NAME = 253;
const MAX_LABEL = 63;
const MAX_PARENTS = 32;
const MAX_CONDITIONS = 8;
export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const EMPTY_OR_SUBDOMAIN = /^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const WILDCARD_OR_SUBDOMAIN = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DOMAIN_AND_PATH =
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;

export const int32 = (min: number, max: number) => z.int().min(min).max(max).meta({ format: 'int32' });
export const port = () => int32(1, MAX_PORT);
export const objectName = () => z.string().min(1).max(MAX_NAME);
export const sectionName = () => z.string().min(1).max(MAX_NAME).regex(SUBDOMAIN);
export const group = () => z.string().max(MAX_NAME).regex(EMPTY_OR_SUBDOMAIN);
export const kind = () =>
  z
    .string()
    .min(1)
    .max(MAX_LABEL)
    .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/);
export const namespaceName = () =>
  z
    .string()
    .min(1)
    .max(MAX_LABEL)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
/** Of listeners and routes; `*.` in front means every name below. */
export const hostname = () => z.string().min(1).max(MAX_NAME).regex(WILDCARD_OR_SUBDOMAIN);
export const preciseHostname = () => z.string().min(1).max(MAX_NAME).regex(SUBDOMAIN);
export const controllerName = () => z.string().min(1).max(MAX_NAME).regex(DOMAIN_AND_PATH);
/** No decimals: `1h30m`, `500ms`. */
export const duration = () => z.string().regex(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/);

/** A list whose entries are told apart by fields, as server-side apply does. */
export const mapBy = (...keys: readonly string[]) => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});
export const ATOMIC = { 'x-kubernetes-list-type': 'atomic' };
export const SET = { 'x-kubernetes-list-type': 'set' };

export const localRef = {
  group: group().describe('The API group of the object; empty: the core group.'),
  kind: kind().describe('The kind of the object.'),
  name: objectName().describe('The name of the object.'),
};

export const parentRef = z.object({
  group: group().default(GATEWAY_GROUP).describe('The API group of the parent; empty for a Service.'),
  kind: kind().default('Gateway').describe('The kind of the parent: Gateway, or Service for routes within the mesh.'),
  namespace: namespaceName().optional().describe('The namespace of the parent; absent: that of the route.'),
  name: objectName().describe('The name of the parent.'),
  sectionName: sectionName().optional().describe('The listener, or the name of the port of a Service; absent: all.'),
  port: port().optional().describe('The port of the parent; absent: all.'),
});

const SAME_PARENT =
  "p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (has(p1.__namespace__) ? p1.__namespace__ : '') == (has(p2.__namespace__) ? p2.__namespace__ : '')";
const SECTION_1 = "(has(p1.sectionName) ? p1.sectionName : '')";
const SECTION_2 = "(has(p2.sectionName) ? p2.sectionName : '')";
const PORT_1 = '(has(p1.port) ? p1.port : 0)';
const PORT_2 = '(has(p2.port) ? p2.port : 0)';

/** Entries of one parent differ by section or by port, as in the experimental channel: a mesh tells Services by their ports. */
export const parentRefs = () =>
  z
    .array(parentRef)
    .max(MAX_PARENTS)
    .optional()
    .describe('What the route is attached to.')
    .meta({
      ...ATOMIC,
      ...cel(
        {
          rule: `self.all(p1, self.all(p2, (${SAME_PARENT}) ? (${SECTION_1} == '') == (${SECTION_2} == '') && (${PORT_1} == 0) == (${PORT_2} == 0) : true))`,
          message:
            'sectionName or port must be specified in every entry when parentRefs includes 2 or more references to the same parent',
        },
        {
          rule: `self.all(p1, self.exists_one(p2, ${SAME_PARENT} && ${SECTION_1} == ${SECTION_2} && ${PORT_1} == ${PORT_2}))`,
          message:
            'sectionName or port must be unique when parentRefs includes 2 or more references to the same parent',
        },
      ),
    });

const backendObject = {
  group: group().default('').describe('The API group of the backend; empty: the core group.'),
  kind: kind().default('Service').describe('The kind of the backend.'),
  name: objectName().describe('The name of the backend.'),
  namespace: namespaceName()
    .optional()
    .describe('The namespace of the backend, which a ReferenceGrant there must permit; absent: that of the route.'),
  port: port().optional().describe('The port of the Service; needed for one.'),
};
export const SERVICE_HAS_PORT = {
  rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
  message: 'Must have port for Service reference',
};
/** Where something is sent besides the answer of the route. */
export const backendObjectRef = z.object(backendObject).meta(cel(SERVICE_HAS_PORT));
export const weightedBackend = {
  ...backendObject,
  weight: int32(0, 1_000_000)
    .default(1)
    .describe('Its share among the backends of the rule; 0: nothing is sent to it.'),
};
export const backendRef = z.object(weightedBackend).meta(cel(SERVICE_HAS_PORT));

const condition = z.object({
  type: z.string().max(316).describe('What the condition is about.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  reason: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe('Why, in one word for programs.'),
  message: z.string().max(32_768).describe('Why, for people.'),
  lastTransitionTime: z.string().describe('When the status last changed.').meta({ format: 'date-time' }),
  observedGeneration: z
    .int()
    .min(0)
    .optional()
    .describe('The generation of the object that this was found for.')
    .meta({ format: 'int64' }),
});

export const conditions = (min = 0) =>
  z.array(condition).min(min).max(MAX_CONDITIONS).describe('How it was taken.').meta(mapBy('type'));

/** What stands in a status before any controller has looked. */
export const pending = (...types: readonly string[]) =>
  types.map((type) => ({
    type,
    status: 'Unknown' as const,
    reason: 'Pending',
    message: 'Waiting for controller',
    lastTransitionTime: '1970-01-01T00:00:00Z',
  }));

export const routeStatus = z
  .object({
    parents: z
      .array(
        z.object({
          parentRef: parentRef.describe('The parent, as the route names it.'),
          controllerName: controllerName().describe('Who says so.'),
          conditions: conditions(1),
        }),
      )
      .max(MAX_PARENTS)
      .describe('What became of the route at each of its parents.')
      .meta(ATOMIC),
  })
  .describe('What became of the route; written by controllers.');
