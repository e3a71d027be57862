/** DestinationRule: how the endpoints of a service are treated (crds.md section 6). */
import * as z from 'zod';
import { AGE, column, customResourceDefinition } from './definition.ts';
import { port } from './endpoint.ts';
import { cel } from './openapi.ts';
import { text, textList, workloadSelector } from './shared.ts';

const MAX_PORTS = 4096;
const MAX_INT32 = 2 ** 31 - 1;

const duration = () =>
  text().meta(cel({ rule: "duration(self) >= duration('1ms')", message: 'must be a valid duration greater than 1ms' }));
const whole = () => z.int().min(-MAX_INT32).max(MAX_INT32);
const counted = () =>
  z
    .int()
    .min(0)
    .max(2 ** 32 - 1);
/** Whatever is in it: read by nobody here, kept as it is written. */
const kept = () => z.object({}).meta({ 'x-kubernetes-preserve-unknown-fields': true });

const size = () => z.int().min(0);

/** A duration that may be zero. */
const ttl = () => text().meta(cel({ rule: "duration(self) >= duration('0s')", message: 'must be a valid duration' }));

const consistentHash = z
  .object({
    httpHeaderName: text().optional().describe('By the value of this header.'),
    httpCookie: z
      .object({
        name: text().describe('Of the cookie.'),
        path: text().optional().describe('Of the cookie that is made.'),
        ttl: ttl().optional().describe('Makes the cookie where it is missing, for so long; 0s: while the client runs.'),
        attributes: z
          .array(
            z.object({
              name: text().describe('Of the attribute.'),
              value: text().optional().describe('Of the attribute.'),
            }),
          )
          .optional()
          .describe('Further attributes of the cookie that is made.'),
      })
      .optional()
      .describe('By the value of a cookie.'),
    useSourceIp: z.boolean().optional().describe("By the client's address."),
    httpQueryParameterName: text().optional().describe('By the value of this parameter.'),
    ringHash: z
      .object({ minimumRingSize: size().optional().describe('Points; default 1024, at most 65536.') })
      .optional()
      .describe('With a ring; the default.'),
    maglev: z
      .object({ tableSize: size().optional().describe('Slots, a prime; default 65537, at most 131071.') })
      .optional()
      .describe('With the table of Maglev.'),
    minimumRingSize: size().optional().describe('Older form of ringHash.minimumRingSize.'),
  })
  .describe('By a hash: requests with the same key go to the same endpoint.');

const loadBalancer = z
  .object({
    simple: z
      .enum(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'])
      .optional()
      .describe('How an endpoint is chosen; the default is LEAST_REQUEST.'),
    consistentHash: consistentHash.optional(),
    localityLbSetting: kept().optional().describe('By distance.'),
    backendUtilization: kept().optional().describe('By what endpoints report.'),
    zoneAwareLbSetting: kept().optional().describe('By zone.'),
    warmupDurationSecs: duration().optional().describe('Older form of warmup.duration.'),
    warmup: z
      .object({
        duration: duration().describe('How long a new endpoint gets less than its share.'),
        minimumPercent: z.number().min(0).max(100).optional().describe('With what share it begins; default 10.'),
        aggression: z.number().min(0).optional().describe('Above 1: faster at first.'),
      })
      .optional()
      .describe('How new endpoints get their share.'),
  })
  .describe('How an endpoint is chosen.');

const connectionPool = z
  .object({
    tcp: z
      .object({
        maxConnections: whole().optional().describe('Connections to all endpoints.'),
        connectTimeout: duration().optional().describe('Default 10s.'),
        tcpKeepalive: kept().optional().describe('Keepalive of TCP.'),
        maxConnectionDuration: duration().optional().describe('How long a connection may live.'),
        idleTimeout: duration().optional().describe('How long a connection may be unused.'),
      })
      .optional()
      .describe('Of connections.'),
    http: z
      .object({
        http1MaxPendingRequests: whole().optional().describe('Requests that wait for a connection.'),
        http2MaxRequests: whole().optional().describe('Requests under way.'),
        maxRequestsPerConnection: whole().optional().describe('Requests of one connection.'),
        maxRetries: whole().optional().describe('Retries under way.'),
        idleTimeout: duration().optional().describe('How long a connection may be unused.'),
        h2UpgradePolicy: z
          .enum(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'])
          .optional()
          .describe('Whether to speak HTTP/2.'),
        useClientProtocol: z.boolean().optional().describe('Speak what the client speaks.'),
        maxConcurrentStreams: whole().optional().describe('Streams of one connection.'),
        http2KeepAlive: kept().optional().describe('PINGs.'),
      })
      .optional()
      .describe('Of requests.'),
  })
  .describe('Limits.');

const outlierDetection = z
  .object({
    splitExternalLocalOriginErrors: z.boolean().optional().describe('Count failed connections apart.'),
    consecutiveLocalOriginFailures: counted().nullable().optional().describe('Failed connections in a row; default 5.'),
    consecutiveGatewayErrors: counted().nullable().optional().describe('502, 503 and 504 in a row.'),
    consecutive5xxErrors: counted().nullable().optional().describe('5xx in a row; default 5, 0 for none.'),
    consecutiveErrors: whole().optional().describe('Older form of consecutive5xxErrors.'),
    interval: duration().optional().describe('How often it is looked; here at each answer.'),
    baseEjectionTime: duration().optional().describe('How long an endpoint is left out the first time; default 30s.'),
    maxEjectionPercent: whole().optional().describe('Of all endpoints, at most; default 10.'),
    minHealthPercent: whole().optional().describe('Below this share nobody is left out; default 0.'),
    outlierDetectionHttpErrorCodes: z.array(z.int().min(100).max(599)).optional().describe('Other codes that count.'),
  })
  .describe('When an endpoint is left out.');

const tls = z
  .object({
    mode: z.enum(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).optional().describe('Which TLS to the endpoint.'),
    clientCertificate: text().optional().describe('File of our certificate.'),
    privateKey: text().optional().describe('File of our key.'),
    caCertificates: text().optional().describe('File of whom to trust.'),
    caCrl: text().optional().describe('File of revocation lists.'),
    credentialName: text().optional().describe('Secret with all of these.'),
    subjectAltNames: textList().optional().describe('Names that the endpoint may have.'),
    sni: text().optional().describe('Name that is asked for.'),
    insecureSkipVerify: z.boolean().nullable().optional().describe('Do not check.'),
  })
  .describe('TLS to the endpoint.');

const settings = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: tls.optional(),
};

const trafficPolicy = z
  .object({
    ...settings,
    portLevelSettings: z
      .array(
        z.object({
          port: z
            .object({ number: port().optional().describe('Of the service.') })
            .optional()
            .describe('The port.'),
          ...settings,
        }),
      )
      .max(MAX_PORTS)
      .optional()
      .describe('Ports with settings of their own, in place of the general ones.'),
    tunnel: kept().optional().describe('Through a proxy.'),
    proxyProtocol: z
      .object({ version: z.enum(['V1', 'V2']).optional().describe('Of the header.') })
      .optional()
      .describe('A PROXY header to the endpoint.'),
    retryBudget: kept().optional().describe('Share of retries.'),
  })
  .describe('How endpoints are treated.');

export const destinationRuleSpec = z
  .object({
    host: text().describe('The service: its name, a short name of this namespace, or *. and a domain.'),
    trafficPolicy: trafficPolicy.optional(),
    subsets: z
      .array(
        z.object({
          name: text().describe('Of the subset.'),
          labels: z.record(z.string(), z.string()).optional().describe('Which endpoints belong to it.'),
          trafficPolicy: trafficPolicy.optional(),
        }),
      )
      .optional()
      .describe('Parts of the service.'),
    exportTo: textList().optional().describe('Namespaces whose waypoints follow it; default all.'),
    workloadSelector: workloadSelector.optional(),
  })
  .describe('Which service it is about, and how it is treated.');

export const DESTINATION_RULE_CRD = customResourceDefinition({
  group: 'networking.istio.io',
  kind: 'DestinationRule',
  description: 'How waypoints treat the endpoints of a service: balancing, limits, whom they leave out.',
  plural: 'destinationrules',
  shortNames: ['dr'],
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  columns: [column('Host', '.spec.host', 'The service that it is about.'), AGE],
  spec: destinationRuleSpec,
});
