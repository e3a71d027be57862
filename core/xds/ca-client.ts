import type { Client, ServiceError } from '@grpc/grpc-js';
import { MeshError } from '../../mesh/index.ts';
import { certificateRequest, certificateServiceDefinition } from './certificate-service.ts';
import type { IstioCertificateResponse } from './gen/istio/v1/auth/ca_pb.ts';
import { type ControlPlane, callMetadata, dialTarget, openChannel } from './rpc.ts';

/** How long one signing may take. */
const SIGN_TIMEOUT_MS = 15_000;

/** Asks the authority for certificates. One connection is kept; new contents of the root file make a new one. */
export class CaClient implements Disposable {
  readonly #plane: ControlPlane;
  readonly #impersonate: boolean;
  #channel: { readonly client: Client; readonly roots: string } | undefined;

  /** `impersonate`: name the wanted identity in the request (node proxies); otherwise the token alone says who it is for. */
  constructor(plane: ControlPlane & { readonly impersonate?: boolean }) {
    this.#plane = plane;
    dialTarget(plane.address); // a bad address is found at start, not at the first request
    this.#impersonate = plane.impersonate ?? true;
  }

  /** The chain: leaf, intermediates, bundle of roots. Rejects with `CA_REQUEST_FAILED`; its cause has the gRPC status. */
  async createCertificate(
    csrPem: string,
    identity: string,
    ttlSeconds: number,
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    signal?.throwIfAborted();
    const [client, metadata] = await Promise.all([this.#client(), callMetadata(this.#plane)]);
    const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.CreateCertificate;
    const impersonatedIdentity = this.#impersonate ? identity : undefined;
    const request = certificateRequest({ csrPem, ttlSeconds, impersonatedIdentity });
    const { promise, resolve, reject } = Promise.withResolvers<IstioCertificateResponse>();
    const done = (error: ServiceError | null, response?: IstioCertificateResponse): void => {
      if (response !== undefined) resolve(response);
      else reject(new MeshError('CA_REQUEST_FAILED', error?.details ?? 'no answer', { cause: error }));
    };
    const options = { deadline: Date.now() + SIGN_TIMEOUT_MS };
    const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, done);
    const cancel = () => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return (await promise).certChain;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  [Symbol.dispose](): void {
    this.#channel?.client.close();
    this.#channel = undefined;
  }

  async #client(): Promise<Client> {
    const roots = await this.#plane.rootCertificate();
    const text = roots === 'system' ? roots : Buffer.from(roots).toString('latin1');
    if (this.#channel?.roots !== text) {
      // calls in flight on the old channel finish: close() lets them
      this.#channel?.client.close();
      this.#channel = { client: openChannel(this.#plane, roots), roots: text };
    }
    return this.#channel.client;
  }
}
