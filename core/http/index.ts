/** The wall of HTTP: messages and bodies, whatever version carries them. */
export { BodyRelay, bodyOf, NO_BODY, readBody } from './body.ts';
export { Deadline, Deadlines, threadDeadlines } from './deadlines.ts';
export { HeaderFields } from './header-fields.ts';
export { HttpError, type HttpErrorKind } from './http-error.ts';
export { connectHttp1 } from './http1/client.ts';
export { serveHttp1 } from './http1/server.ts';
export { connectHttp2, serveHttp2 } from './http2/index.ts';
export {
  type Body,
  type BodyEvents,
  type BodySink,
  type ClientCall,
  type ClientConnection,
  type ClientOptions,
  type ClientRequest,
  DEFAULT_LIMITS,
  type Handler,
  type HttpLimits,
  type HttpRequest,
  type HttpResponse,
  type HttpVersion,
  type Refusal,
  type ServerConnection,
  type ServerOptions,
} from './message.ts';
