/**
 * A small gRPC service: `ambit.samples.Echo/Say` answers with its name and what was said, and in which currency if the
 * metadata name one. Environment: PORT (9090), NAME.
 */
import { hostname } from 'node:os';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { ECHO_SERVICE } from './echo-service.ts';
import { drainOnSigterm, portFromEnv, serviceName } from './service.ts';

const name = serviceName(process.env, hostname());
const port = portFromEnv(process.env, 9090);
const server = new Server();
server.addService(ECHO_SERVICE, {
  Say: (call: ServerUnaryCall<string, string>, done: sendUnaryData<string>) => {
    const [currency] = call.metadata.get('currency');
    done(null, `${name} heard ${call.request}${currency === undefined ? '' : `, in ${currency}`}`);
  },
});
server.bindAsync(`[::]:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error) {
    console.error(`${name}: cannot listen on ${port}: ${error.message}`);
    process.exit(1);
  }
  console.log(`${name}: gRPC on ${port}`);
});
drainOnSigterm(() => server.tryShutdown(() => undefined));
