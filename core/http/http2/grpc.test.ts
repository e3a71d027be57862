/** gRPC through a proxy of our server and client, with grpc-js at both ends: nothing in the engine knows of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { connectTo, HOST, passingOn, TestServer } from './stand.ts';

const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value } as const;
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${path}`,
  requestStream,
  responseStream,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});
const SERVICE = {
  unary: method('Unary', false, false),
  up: method('Up', true, false),
  down: method('Down', false, true),
  both: method('Both', true, true),
};

/** What the server learns of calls that are withdrawn. */
const withdrawn: string[] = [];

const implementation: grpc.UntypedServiceImplementation = {
  unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
    const text = call.request.toString();
    if (text === 'wait') {
      call.on('cancelled', () => withdrawn.push('unary'));
      return;
    }
    if (text === 'fail') return answer({ code: grpc.status.FAILED_PRECONDITION, details: 'not now \u00e4' });
    const trailers = new grpc.Metadata();
    trailers.set('x-trailer', 'at the end');
    const head = new grpc.Metadata();
    head.set('x-head', String(call.metadata.get('x-own')[0]));
    head.set('x-bin-bin', Buffer.from([0, 255]));
    call.sendMetadata(head);
    answer(null, Buffer.from(text.toUpperCase()), trailers);
  },
  up: (call: grpc.ServerReadableStream<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
    let sum = 0;
    call.on('data', (message: Buffer) => {
      sum += message.length;
    });
    call.on('end', () => answer(null, Buffer.from(String(sum))));
  },
  down: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
    call.on('cancelled', () => withdrawn.push('down'));
    const [count, size] = call.request.toString().split(' ').map(Number);
    const message = Buffer.alloc(size ?? 0, 'd');
    let left = count ?? 0;
    const more = () => {
      for (; left > 0; left -= 1) {
        if (!call.write(message)) {
          left -= 1;
          call.once('drain', more);
          return;
        }
      }
      call.end();
    };
    more();
  },
  both: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', (message: Buffer) => void call.write(message));
    call.on('end', () => call.end());
  },
};

describe('gRPC through a proxy', () => {
  let server: grpc.Server;
  let proxy: TestServer;
  let upstream: Awaited<ReturnType<typeof connectTo>>;
  let client: grpc.Client;
  const own = new grpc.Metadata();
  own.set('x-own', 'v');

  before(async () => {
    server = new grpc.Server();
    server.addService(SERVICE, implementation);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`${HOST}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    upstream = await connectTo(port);
    proxy = new TestServer(passingOn(() => upstream));
    client = new grpc.Client(`${HOST}:${proxy.port}`, grpc.credentials.createInsecure());
  });

  after(async () => {
    client.close();
    await proxy[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
    server.forceShutdown();
  });

  const unary = (text: string, options: grpc.CallOptions = {}) => {
    const { promise, resolve } = Promise.withResolvers<{
      error: grpc.ServiceError | null;
      value: Buffer | undefined;
    }>();
    const { path, requestSerialize, responseDeserialize } = SERVICE.unary;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from(text),
      own,
      options,
      (error, value) => resolve({ error, value }),
    );
    const metadata: { head?: grpc.Metadata; status?: grpc.StatusObject } = {};
    call.on('metadata', (head) => {
      metadata.head = head;
    });
    call.on('status', (status) => {
      metadata.status = status;
    });
    return { call, metadata, reply: promise };
  };
  const until = async (condition: () => boolean) => {
    const deadline = performance.now() + 5_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error('it did not happen in time');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  it('a unary call is answered, with metadata before and after', async () => {
    const { reply, metadata } = unary('hello');
    const { error, value } = await reply;
    assert.deepEqual([error, value?.toString()], [null, 'HELLO']);
    assert.deepEqual(metadata.head?.get('x-head'), ['v']);
    assert.deepEqual(metadata.head?.get('x-bin-bin'), [Buffer.from([0, 255])]);
    await until(() => metadata.status !== undefined);
    assert.deepEqual(metadata.status?.metadata.get('x-trailer'), ['at the end']);
  });

  it('an error without a message comes as a status in the head alone', async () => {
    const { error } = await unary('fail').reply;
    assert.deepEqual([error?.code, error?.details], [grpc.status.FAILED_PRECONDITION, 'not now \u00e4']);
  });

  it('a method that nobody has is unimplemented', async () => {
    const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | null>();
    const { requestSerialize, responseDeserialize } = SERVICE.unary;
    client.makeUnaryRequest('/test.Echo/None', requestSerialize, responseDeserialize, Buffer.from(''), (error) =>
      resolve(error),
    );
    assert.equal((await promise)?.code, grpc.status.UNIMPLEMENTED);
  });

  it('a deadline passes at both ends', async () => {
    withdrawn.length = 0;
    const { error } = await unary('wait', { deadline: Date.now() + 200 }).reply;
    assert.equal(error?.code, grpc.status.DEADLINE_EXCEEDED);
    await until(() => withdrawn.includes('unary'));
  });

  it('a call that is cancelled is withdrawn at the other end', async () => {
    withdrawn.length = 0;
    const { call, reply } = unary('wait');
    setImmediate(() => call.cancel());
    assert.equal((await reply).error?.code, grpc.status.CANCELLED);
    const stream = client.makeServerStreamRequest(
      SERVICE.down.path,
      bytes.serialize,
      bytes.deserialize,
      Buffer.from('100000 1000'),
    );
    stream.on('error', () => {});
    stream.once('data', () => stream.cancel());
    await until(() => withdrawn.includes('down'));
  });

  it('a client streams', async () => {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
    const call = client.makeClientStreamRequest(
      SERVICE.up.path,
      bytes.serialize,
      bytes.deserialize,
      (error, value?: Buffer) => (error ? reject(error) : resolve(value)),
    );
    for (let i = 0; i < 200; i++) call.write(Buffer.alloc(10_000, i));
    call.end();
    assert.equal((await promise)?.toString(), '2000000');
  });

  it('a server streams', async () => {
    const call = client.makeServerStreamRequest(
      SERVICE.down.path,
      bytes.serialize,
      bytes.deserialize,
      Buffer.from('300 10000'),
    );
    let received = 0;
    for await (const message of call) received += (message as Buffer).length;
    assert.equal(received, 3_000_000);
  });

  it('both stream, message by message', async () => {
    const call = client.makeBidiStreamRequest(SERVICE.both.path, bytes.serialize, bytes.deserialize);
    const heard: string[] = [];
    call.on('data', (message: Buffer) => {
      heard.push(message.toString());
      if (heard.length < 20) call.write(Buffer.from(`message ${heard.length}`));
      else call.end();
    });
    call.write(Buffer.from('message 0'));
    const status = await new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
    assert.deepEqual([status.code, heard.length, heard.at(-1)], [grpc.status.OK, 20, 'message 19']);
  });

  it('many calls at once each get their own answer', async () => {
    const replies = await Promise.all(Array.from({ length: 100 }, (_, i) => unary(`call ${i}`).reply));
    assert.deepEqual(
      replies.map(({ value }) => value?.toString()),
      replies.map((_, i) => `CALL ${i}`),
    );
  });
});
