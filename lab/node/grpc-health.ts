/** The gRPC health checking protocol: `grpc.health.v1.Health/Check`. */
import { Client, credentials } from '@grpc/grpc-js';
import { failed, OK, type Outcome } from './probe-outcome.ts';

const SERVING = 1;

/** HealthCheckRequest is field 1, the service's name; HealthCheckResponse field 1, the state. */
export function checkGrpcHealth(host: string, port: number, service: string, timeoutMs: number): Promise<Outcome> {
  const client = new Client(`${host.includes(':') ? `[${host}]` : host}:${port}`, credentials.createInsecure());
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  client.makeUnaryRequest(
    '/grpc.health.v1.Health/Check',
    (name: string) =>
      name === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.of(0x0a, name.length), Buffer.from(name)]),
    (bytes) => (bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0),
    service,
    { deadline: Date.now() + timeoutMs },
    (error, state) => {
      client.close();
      if (error) resolve(failed(error.message));
      else resolve(state === SERVING ? OK : failed(`the service reports state ${state}`));
    },
  );
  return promise;
}
