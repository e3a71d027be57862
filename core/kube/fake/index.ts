/** An API server for tests: keeps objects in memory and speaks enough of the protocol for clients and informers. */
export { FakeApi } from './fake-api.ts';
