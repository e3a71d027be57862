/** The codec of the protocol between CNI agent and node proxy; sockets are in core/net. */
export {
  decodeHello,
  decodeRequest,
  decodeResponse,
  encodeHello,
  encodeRequest,
  encodeResponse,
  type WorkloadInfo,
  type ZdsRequest,
  type ZdsResponse,
} from './codec.ts';
