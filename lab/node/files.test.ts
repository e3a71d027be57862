/** What the kubelet writes and reads on disk. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { findImage, imageName } from '../images/image.ts';
import { addImage, removeImage } from '../images/table.ts';
import { ContainerLog, readLog } from './container-log.ts';
import { findProgram } from './init/find-program.ts';
import { resolveInRoot } from './init/resolve.ts';
import { writeAtomically } from './volumes/atomic-writer.ts';
import { prepareHostPath } from './volumes/host-path.ts';
import { subPath } from './volumes/pod-volumes.ts';

let dir: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-files-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const files = (entries: Readonly<Record<string, string>>) =>
  new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode: 0o640 }]));

test('a volume changes as a whole, and holds exactly what it should', () => {
  const volume = join(dir, 'volume');
  assert.equal(writeAtomically(volume, files({ a: '1', 'deep/b': '2' })), true);
  assert.equal(readFileSync(join(volume, 'deep/b'), 'utf8'), '2');
  assert.equal(statSync(join(volume, 'a')).mode & 0o777, 0o640);
  assert.equal(writeAtomically(volume, files({ a: '1', 'deep/b': '2' })), false);
  const first = readlinkSync(join(volume, '..data'));
  assert.equal(writeAtomically(volume, files({ a: '3' })), true);
  assert.equal(readFileSync(join(volume, 'a'), 'utf8'), '3');
  assert.equal(existsSync(join(volume, first)), false);
  assert.deepEqual(
    readdirSync(volume).filter((name) => !name.startsWith('..')),
    ['a'],
  );
});

for (const path of ['../out', '/etc/passwd', 'a/../../b', '..data', '']) {
  test(`a volume refuses the path "${path}"`, () => {
    assert.throws(() => writeAtomically(join(dir, 'refuses'), files({ [path]: '' })), { code: 'VOLUME_PATH_INVALID' });
  });
}

test('links in a root stay in it', () => {
  const root = join(dir, 'root');
  mkdirSync(join(root, 'run'), { recursive: true });
  mkdirSync(join(root, 'var'));
  symlinkSync('/run', join(root, 'var/run'));
  symlinkSync('../../../../etc', join(root, 'up'));
  symlinkSync('loop', join(root, 'loop'));
  assert.equal(resolveInRoot(root, '/var/run/x/y'), join(root, 'run/x/y'));
  assert.equal(resolveInRoot(root, '/up/passwd'), join(root, 'etc/passwd'));
  assert.equal(resolveInRoot(root, '/a/../../..'), root);
  assert.throws(() => resolveInRoot(root, '/loop'), /too many symbolic links/);
});

test('a program that cannot be run says why', () => {
  writeFileSync(join(dir, 'text'), 'just text', { mode: 0o755 });
  writeFileSync(join(dir, 'plain'), '#!/bin/sh\n', { mode: 0o644 });
  assert.equal(findProgram('sh', '/nowhere:/bin'), '/bin/sh');
  assert.throws(() => findProgram('no-such', '/bin'), /executable file not found in \$PATH \(\/bin\)/);
  assert.throws(() => findProgram('/no/such'), /no such file in the image/);
  assert.throws(() => findProgram(join(dir, 'text')), /neither a program/);
  assert.throws(() => findProgram(join(dir, 'plain')), /is it executable/);
  assert.throws(() => findProgram(dir), /not a file/);
});

test('a path of the node must be what the pod says it is', () => {
  const made = join(dir, 'host/made');
  assert.throws(() => prepareHostPath(made, 'Directory'), { code: 'HOST_PATH_INVALID' });
  assert.equal(prepareHostPath(made, 'DirectoryOrCreate'), made);
  assert.throws(() => prepareHostPath(made, 'File'), /it is not a File/);
  assert.throws(() => prepareHostPath(made, 'Folder'), /unknown type "Folder"/);
  assert.equal(statSync(prepareHostPath(join(dir, 'host/file'), 'FileOrCreate')).isFile(), true);
});

test('a subPath does not lead out of its volume', () => {
  assert.equal(subPath(dir, 'new/dir'), join(dir, 'new/dir'));
  assert.throws(() => subPath(dir, '../x'), /leads out/);
});

async function logOf(text: string): Promise<ContainerLog> {
  const log = new ContainerLog(join(dir, `${Math.random()}.log`));
  const output = new PassThrough();
  const taken = log.take(output, 'stdout');
  output.end(text);
  await taken;
  return log;
}
async function read(log: ContainerLog, query: Parameters<typeof readLog>[1]): Promise<string> {
  let text = '';
  for await (const part of readLog(log.path, query, AbortSignal.timeout(5000))) text += part;
  return text;
}

test('a log gives back what was written, or its end, or so many bytes of it', async () => {
  using log = await logOf('one\ntwo\nthree\nfour');
  assert.equal(await read(log, {}), 'one\ntwo\nthree\nfour');
  assert.equal(await read(log, { tailLines: 2 }), 'three\nfour');
  assert.equal(await read(log, { tailLines: 0 }), '');
  assert.equal(await read(log, { limitBytes: 5 }), 'one\nt');
  assert.equal(await read(log, { sinceMs: Date.now() + 60_000 }), '');
  assert.match(await read(log, { timestamps: true, tailLines: 1 }), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z four$/);
});

test('a line that never ends is kept in parts and read as one', async () => {
  const long = 'x'.repeat(40_000);
  using log = await logOf(`${long}\nend\n`);
  assert.equal(await read(log, {}), `${long}\nend\n`);
});

test('following a log goes on until the container ends', async () => {
  using log = new ContainerLog(join(dir, 'followed.log'));
  const output = new PassThrough();
  const taken = log.take(output, 'stdout');
  const reading = read(log, { follow: log });
  for (const line of ['a', 'b', 'c']) output.write(`${line}\n`);
  output.end();
  await taken;
  log[Symbol.dispose]();
  assert.equal(await reading, 'a\nb\nc\n');
});

const names: readonly (readonly [reference: string, name: string])[] = [
  ['ambit/ztunnel', 'ambit/ztunnel'],
  ['ambit/ztunnel:dev', 'ambit/ztunnel'],
  ['registry:5000/a/b', 'registry:5000/a/b'],
  ['registry:5000/a/b:1.2', 'registry:5000/a/b'],
  ['a/b:1@sha256:abc', 'a/b'],
];
for (const [reference, name] of names) {
  test(`${reference} is the image ${name}`, () => assert.equal(imageName(reference), name));
}

test('an image is a folder that somebody added, by its name', () => {
  const labs = join(dir, 'labs');
  const folder = join(dir, 'folder');
  mkdirSync(folder);
  assert.throws(() => findImage('my/own:1', labs, '/'), /ambit lab image add my\/own DIR/);
  addImage(labs, 'my/own', folder);
  assert.equal(findImage('my/own:1', labs, '/').root, folder);
  writeFileSync(join(folder, 'image.json'), '{ "command": ["/run"], "base": "moon" }');
  assert.throws(() => findImage('my/own', labs, '/'), { code: 'IMAGE_INVALID' });
  assert.throws(() => addImage(labs, 'My', folder), { code: 'IMAGE_INVALID' });
  assert.throws(() => addImage(labs, 'my:tag', folder), { code: 'IMAGE_INVALID' });
  assert.throws(() => addImage(labs, 'my', join(dir, 'nothing')), { code: 'IMAGE_INVALID' });
  assert.equal(removeImage(labs, 'my/own'), true);
  assert.equal(removeImage(labs, 'my/own'), false);
  assert.equal(existsSync(join(labs, 'images.json')), false);
  assert.equal(findImage('ambit/ztunnel:dev', labs, '/').base, 'machine');
});
