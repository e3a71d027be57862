/** Sends an authorised request on a resource to the code that answers it. */
import { API_AUDIENCE } from '../auth/tokens.ts';
import type { Reply } from '../http/reply.ts';
import { notImplemented, unknownPath } from '../pure/index.ts';
import { isReview } from '../resources/kinds.ts';
import { serveObjects } from './objects.ts';
import type { PodStreams } from './pod-streams.ts';
import type { ApiRequest } from './request.ts';
import { serveReview } from './reviews.ts';
import { serveScale } from './scale.ts';
import { bindPod, ephemeralContainers, evictPod, finalizeNamespace, requestToken } from './subresources.ts';

/** `ended` fires when the server closes: watches end with it. Throws ApiStatusError. */
export async function dispatch(r: ApiRequest, streams: PodStreams, ended: AbortSignal): Promise<Reply> {
  const { subresource } = r.target;
  if (subresource === '') return isReview(r.info) ? await serveReview(r) : serveObjects(r, ended);
  if (!r.info.subresources.includes(subresource)) throw unknownPath();
  switch (subresource) {
    case 'status':
      return serveObjects(r, ended);
    case 'scale':
      return serveScale(r);
    case 'token':
      return await requestToken(r, API_AUDIENCE);
    case 'binding':
      return bindPod(r);
    case 'eviction':
      return evictPod(r);
    case 'ephemeralcontainers':
      return ephemeralContainers(r);
    case 'finalize':
      return finalizeNamespace(r);
    case 'log':
      return await streams.logs(r);
    case 'exec':
    case 'attach':
    case 'portforward':
      return streams.withoutUpgrade(r);
    default:
      throw notImplemented(`the subresource ${r.info.plural}/${subresource} is not implemented by this lab`);
  }
}
