import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { CoreV1Api, Exec, KubernetesObjectApi, Log, makeInformer, PortForward } from '@kubernetes/client-node';
import { WebSocketServer } from 'ws';
import { TestLab } from './test-lab.ts';

const SECRET = 'kubelets-only';
const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Version': '13',
};
let lab: TestLab;
let kubelet: Server;
const seen: { url: string; token: string }[] = [];

/** A kubelet that says what it was asked, and echoes what it is sent. */
function startKubelet(): Server {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  const note = (request: IncomingMessage) =>
    seen.push({ url: request.url ?? '', token: String(request.headers['x-lab-token']) });
  const server = createServer((request, response) => {
    note(request);
    if (request.url?.includes('/silent'))
      response
        .writeHead(400, { 'Content-Type': 'application/json' })
        .end('{"kind":"Status","reason":"BadRequest","message":"no log yet"}');
    else response.writeHead(200, { 'Content-Type': 'text/plain' }).end('first\nsecond\n');
  });
  server.on('upgrade', (request, socket, head) => {
    note(request);
    if (request.url?.includes('tty=true')) {
      const body = '{"kind":"Status","message":"no terminals here","code":501}';
      socket.end(`HTTP/1.1 501 Not Implemented\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', (data: Buffer) => {
        if (data[0] === 0) client.send(Buffer.concat([Buffer.from([1]), data.subarray(1)]));
        if (data[0] === 0xff) {
          client.send(Buffer.concat([Buffer.from([3]), Buffer.from('{"metadata":{},"status":"Success"}')]));
          client.close(1000);
        }
      });
    });
  });
  return server.listen(0, '127.0.0.1');
}

before(async () => {
  kubelet = startKubelet();
  const { promise, resolve } = Promise.withResolvers<void>();
  kubelet.once('listening', resolve);
  await promise;
  lab = await TestLab.start({
    kubeletSecret: SECRET,
    dialNode: async (ip, port) => {
      assert.deepEqual([ip, port], ['172.30.0.11', 10_250]);
      const socket: Socket = connect((kubelet.address() as AddressInfo).port, '127.0.0.1');
      return socket;
    },
  });
  await lab.call('POST', '/api/v1/nodes', { body: { metadata: { name: 'node-1' } } });
  await lab.call('PATCH', '/api/v1/nodes/node-1/status', {
    body: { status: { addresses: [{ type: 'InternalIP', address: '172.30.0.11' }] } },
    headers: { 'Content-Type': 'application/merge-patch+json' },
  });
  const pods = '/api/v1/namespaces/default/pods';
  await lab.call('POST', pods, {
    body: {
      metadata: { name: 'p' },
      spec: {
        containers: [
          { name: 'main', image: 'i' },
          { name: 'silent', image: 'i' },
        ],
      },
    },
  });
  await lab.call('POST', pods, {
    body: { metadata: { name: 'waiting' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  });
  await lab.call('POST', `${pods}/p/binding`, { body: { target: { name: 'node-1' } } });
  await lab.call('PATCH', `${pods}/p/status`, {
    body: { status: { phase: 'Running' } },
    headers: { 'Content-Type': 'application/merge-patch+json' },
  });
});
after(async () => {
  await lab[Symbol.asyncDispose]();
  kubelet.closeAllConnections();
  kubelet.close();
});

test('logs come from the kubelet of the pod, and its refusal is the answer', async () => {
  const result = await lab.kubectl(['logs', 'p', '-c', 'main', '--tail=2', '--timestamps']);
  assert.equal(result.stdout, 'first\nsecond\n');
  const asked = seen.at(-1);
  assert.equal(asked?.token, SECRET);
  assert.match(asked?.url ?? '', /^\/containerLogs\/default\/p\/main\?.*tailLines=2/);
  assert.match((await lab.kubectl(['logs', 'p', '-c', 'silent'])).stderr, /no log yet/);
  const unnamed = await lab.call('GET', '/api/v1/namespaces/default/pods/p/log');
  assert.equal(unnamed.status, 400);
  assert.match(unnamed.text, /choose one of: \[main silent\]/);
  const out = new PassThrough();
  await new Log(lab.kubeConfig).log('default', 'p', 'main', out, { follow: false });
  let text = '';
  for await (const chunk of out) text += String(chunk);
  assert.equal(text, 'first\nsecond\n');
});

test('exec passes its bytes through, both ways, to the exit status', async () => {
  const result = await lab.kubectl(['exec', '-i', 'p', '-c', 'main', '--', 'cat', '-u'], 'hello');
  assert.equal(result.stdout, 'hello', result.stderr);
  assert.equal(result.code, 0);
  assert.match(seen.at(-1)?.url ?? '', /^\/exec\/default\/p\/main\?command=cat&command=-u/);
});

test('why a command cannot run reaches the person, not a tale about SPDY', async () => {
  const refused = await lab.call('GET', '/api/v1/namespaces/default/pods/p/exec?command=sh&container=main&tty=true', {
    headers: UPGRADE,
  });
  assert.equal(refused.status, 501, 'a client of no known protocol gets the answer as it is');
  const exec = await lab.kubectl(['exec', 'waiting', '--', 'ls']);
  assert.match(exec.stderr, /pod waiting is not running: its phase is Pending/);
  const messages: string[] = [];
  const done = Promise.withResolvers<void>();
  await new Exec(lab.kubeConfig).exec('default', 'p', 'main', ['sh'], new PassThrough(), null, null, true, (status) => {
    messages.push(status.message ?? '');
    done.resolve();
  });
  await done.promise;
  assert.deepEqual(messages, ['no terminals here']);
});

test('client-node runs exec and port-forward through the same way', async () => {
  const output = new PassThrough();
  const input = new PassThrough();
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  await new Exec(lab.kubeConfig).exec('default', 'p', 'main', ['cat'], output, null, input, false, (status) =>
    resolve(status.status),
  );
  input.end('typed');
  assert.equal(await promise, 'Success');
  assert.equal(String(output.read()), 'typed');
  const forwarded = await new PortForward(lab.kubeConfig).portForward(
    'default',
    'p',
    [80],
    new PassThrough(),
    null,
    new PassThrough(),
  );
  assert.match(seen.at(-1)?.url ?? '', /^\/portForward\/default\/p\?ports=80/);
  const socket = typeof forwarded === 'function' ? forwarded() : forwarded;
  socket?.close();
});

test('SPDY is refused with a sentence that says what works', async () => {
  const answer = await lab.call('POST', '/api/v1/namespaces/default/pods/p/portforward', {
    headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': 'portforward.k8s.io' },
  });
  assert.equal(answer.status, 400);
  assert.match(String(answer.at('message')), /\(SPDY\) is not spoken/);
  const kubectl = await lab.kubectl(['port-forward', 'pod/p', '18081:80']);
  assert.equal(kubectl.code, 1);
  assert.match(kubectl.stderr, /\(SPDY\) is not spoken/);
});

test('a stream needs its own right, and a pod', async () => {
  const token = (await lab.kubectl(['create', 'token', 'default'])).stdout.trim();
  const headers = UPGRADE;
  const path = '/api/v1/namespaces/default/pods';
  const before = seen.length;
  assert.equal((await lab.call('GET', `${path}/p/exec?command=ls`, { token, headers })).status, 403);
  assert.equal((await lab.call('GET', `${path}/p/exec?command=ls`, { anonymous: true, headers })).status, 401);
  assert.equal((await lab.call('GET', `${path}/none/exec?command=ls`, { headers })).status, 404);
  assert.equal((await lab.call('GET', `${path}/p/exec?command=ls`)).status, 400);
  assert.equal(seen.length, before, 'no kubelet was asked');
});

test('an informer of client-node follows the world, and its object API finds any kind', async () => {
  const core = lab.kubeConfig.makeApiClient(CoreV1Api);
  const informer = makeInformer(lab.kubeConfig, '/api/v1/namespaces/default/configmaps', () =>
    core.listNamespacedConfigMap({ namespace: 'default' }),
  );
  const { promise, resolve } = Promise.withResolvers<string>();
  informer.on('update', (object) => {
    if (object.metadata?.name === 'watched') resolve(object.data?.['a'] ?? '');
  });
  await informer.start();
  try {
    const made = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'watched' }, data: { a: '1' } },
    });
    await core.replaceNamespacedConfigMap({
      name: 'watched',
      namespace: 'default',
      body: { ...made, data: { a: '2' } },
    });
    assert.equal(await promise, '2');
  } finally {
    await informer.stop();
  }
  const objects = KubernetesObjectApi.makeApiClient(lab.kubeConfig);
  const role = await objects.create({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'r', namespace: 'default' },
  });
  assert.equal(role.metadata?.name, 'r');
  await assert.rejects(
    core.readNamespacedSecret({ name: 'none', namespace: 'default' }),
    (error: { code?: number }) => error.code === 404,
  );
});
