/** The echo as a pod's program: HTTP on 8080, gRPC on 7070. NAME is which version it is. */
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { drainOnSigterm, serviceName } from '../../samples/service.ts';
import { readSeen, tell, tellGrpc } from './echo.ts';

const name = serviceName(process.env, 'echo');
const http = createServer(async (req, res) => tell(res, name, await readSeen(req))).listen(8080);
const grpc = createHttp2Server((req, res) => tellGrpc(req, res, name)).listen(7070);
grpc.on('sessionError', () => {}); // a caller that hangs up
drainOnSigterm(() => {
  http.close();
  grpc.close();
});
