/** One HTTPS call to a webhook: where it is, whom to trust there, and bounds on time and size. */
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ApiObject, at, listAt, numberAt, textAt } from '../object.ts';
import type { Json, JsonObject } from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import type { Webhook } from './webhook.ts';

/** As much as the server itself takes from clients. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;
/** Endpoints that are tried, one after the other, when they can't be connected to. */
const MAX_ENDPOINTS = 3;

type Place = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** What the certificate must be for. */
  readonly name: string;
};

/** Throws Error when no answer came, or none that is JSON. */
export async function callWebhook(webhook: Webhook, body: JsonObject, store: Store): Promise<Json> {
  const signal = AbortSignal.timeout(webhook.timeoutMs);
  const text = JSON.stringify(body);
  let failure: unknown;
  for (const place of placesOf(webhook, store)) {
    try {
      return await post(place, webhook, text, signal);
    } catch (error) {
      if (signal.aborted) throw new Error(`no answer within ${webhook.timeoutMs / 1000} s`, { cause: error });
      failure = error;
    }
  }
  throw failure;
}

function placesOf({ client, timeoutMs }: Webhook, store: Store): readonly Place[] {
  const query = `timeout=${timeoutMs / 1000}s`;
  const { target } = client;
  if (target.kind === 'url') {
    const url = new URL(target.url);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return [{ host, port: Number(url.port || 443), path: `${url.pathname}?${query}`, name: host }];
  }
  const { namespace, name, port, path } = target;
  const endpoints = endpointsOf(store, namespace, name, port).slice(0, MAX_ENDPOINTS);
  if (endpoints.length === 0) throw new Error(`no endpoints available for service "${name}" in namespace ${namespace}`);
  return endpoints.map((endpoint) => ({ ...endpoint, path: `${path}?${query}`, name: `${name}.${namespace}.svc` }));
}

/** Addresses of ready endpoints: the API server is on the underlay, from where pods are reached without the Service's own address. */
function endpointsOf(
  store: Store,
  namespace: string,
  name: string,
  port: number,
): readonly Pick<Place, 'host' | 'port'>[] {
  const service = store.get(storageKey('', 'services'), namespace, name);
  if (service === undefined) throw new Error(`service "${name}" not found in namespace ${namespace}`);
  const wanted = listAt(service, 'spec', 'ports').find((p) => numberAt(p, 'port') === port);
  if (wanted === undefined) throw new Error(`service "${name}" in namespace ${namespace} has no port ${port}`);
  const ofService = (slice: ApiObject): boolean => slice.metadata.labels?.['kubernetes.io/service-name'] === name;
  return store
    .list(storageKey('discovery.k8s.io', 'endpointslices'), namespace)
    .filter(ofService)
    .flatMap((slice) => {
      const match = listAt(slice, 'ports').find((p) => textAt(p, 'name') === textAt(wanted, 'name'));
      const target = numberAt(match, 'port');
      if (target === undefined) return [];
      return listAt(slice, 'endpoints')
        .filter((endpoint) => at(endpoint, 'conditions', 'ready') !== false)
        .flatMap((endpoint) => listAt(endpoint, 'addresses').slice(0, 1))
        .filter((address) => typeof address === 'string')
        .map((host) => ({ host, port: target }));
    });
}

async function post(place: Place, { client }: Webhook, body: string, signal: AbortSignal): Promise<Json> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpsRequest({
    host: place.host,
    port: place.port,
    path: place.path,
    method: 'POST',
    agent: false,
    signal,
    servername: /^[\d.]+$|:/.test(place.name) ? '' : place.name, // an address is no server name (RFC 6066 section 3)
    headers: {
      Host: place.name,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      Accept: 'application/json',
    },
    ...(client.caPem === '' ? {} : { ca: client.caPem }),
  });
  request.on('response', resolve);
  request.on('error', reject);
  request.end(body);
  try {
    const response = await promise;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    if (response.statusCode !== 200) throw new Error(`answered with status ${response.statusCode}`);
    return JSON.parse(Buffer.concat(chunks).toString()) as Json; // some answer as text/plain: the type says nothing
  } finally {
    request.destroy();
  }
}
