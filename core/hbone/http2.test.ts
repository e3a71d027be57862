import { TestCa } from '../../test/support/certificates.ts';
import { hboneContract } from './contract.ts';
import { createHboneClient, createHboneServer } from './index.ts';

const ca = await TestCa.create('cluster.local');
const other = await TestCa.create('elsewhere.example');
hboneContract('node:http2', ca, other, {
  createServer: (o) => createHboneServer({ ...o, implementation: 'http2' }),
  createClient: (o) => createHboneClient({ ...o, implementation: 'http2' }),
});
