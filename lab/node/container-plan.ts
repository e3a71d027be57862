/** What a container's file system and process look like at its start: pure, but for a look at what kind of file a volume is. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '../../mesh/index.ts';
import type { Image } from '../images/image.ts';
import { containerCapabilities } from './capabilities.ts';
import { expand } from './env-vars.ts';
import type { Credentials, InitPlan, Step } from './init/plan.ts';
import { NODE } from './layout.ts';
import { machineEtc, machinePrograms } from './machine-steps.ts';
import type { Container, Pod, VolumeMount } from './pod.ts';
import { subPath } from './volumes/pod-volumes.ts';

export type ContainerPlanInput = {
  readonly pod: Pod;
  readonly container: Container;
  readonly image: Image;
  readonly env: ReadonlyMap<string, string>;
  readonly hostname: string;
  readonly cgroups: readonly string[];
  /** Fresh and empty, for this run of the container: layers and mount point. */
  readonly layers: { readonly lower: string; readonly upper: string; readonly work: string; readonly root: string };
  /** Files of the pod to be seen at these paths, such as /etc/hosts. */
  readonly files: Readonly<Record<string, string>>;
  readonly volumePath: (name: string) => string;
};

/** @throws MeshError CONTAINER_CONFIG */
export function containerPlan(input: ContainerPlanInput): InitPlan {
  const { pod, container, image, env } = input;
  const privileged = container.securityContext?.privileged === true;
  const readOnly = container.securityContext?.readOnlyRootFilesystem === true;
  const words = [...(container.command ?? image.command), ...(container.args ?? [])].map((word) => expand(word, env));
  const [program, ...args] = words;
  if (program === undefined) {
    throw new MeshError('CONTAINER_CONFIG', `no command: image "${image.name}" has none, and the pod gives none`);
  }
  const workingDir = container.workingDir ?? image.workingDir;
  const steps: Step[] = [
    ...layers(input),
    ...kernelFiles(privileged),
    ...Object.entries(input.files).map(([path, source]): Step => {
      return { do: 'mount', mount: { source, target: path, flags: ['bind'] }, point: 'file' };
    }),
    ...(container.volumeMounts ?? []).flatMap((mount) => volumeSteps(mount, input)),
    { do: 'mkdir', path: workingDir },
    ...(readOnly ? [{ do: 'mount', mount: { target: '/', flags: ['remount', 'bind', 'ro'] } } as const] : []),
  ];
  return {
    cgroups: input.cgroups,
    place: { kind: 'new', root: input.layers.root, hostname: input.hostname, steps },
    cwd: workingDir,
    credentials: credentials(pod, container, image),
    command: [program, ...args],
    env: Object.fromEntries(env),
  };
}

function layers({ image, layers: { lower, upper, work, root: _ } }: ContainerPlanInput): readonly Step[] {
  const lowers = image.root === undefined ? lower : image.root;
  const overlay: Step = {
    do: 'mount',
    mount: {
      source: 'overlay',
      target: '/',
      type: 'overlay',
      data: `lowerdir=${lowers},upperdir=${upper},workdir=${work}`,
    },
  };
  if (image.base === 'none') return [overlay, { do: 'mkdir', path: '/tmp', mode: 0o1777 }];
  return [
    overlay,
    ...machinePrograms(NODE.machine),
    ...machineEtc(NODE.machine),
    { do: 'mkdir', path: '/tmp', mode: 0o1777 },
    { do: 'mkdir', path: '/root', mode: 0o700 },
    { do: 'mkdir', path: '/run' },
    { do: 'mkdir', path: '/var/tmp', mode: 0o1777 },
    { do: 'mkdir', path: '/var/log' },
    { do: 'symlink', path: '/var/run', to: '/run' },
    {
      do: 'mount',
      mount: { source: NODE.checkout, target: NODE.checkout, flags: ['bind', 'rec', 'ro'] },
      point: 'directory',
    },
  ];
}

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

function kernelFiles(privileged: boolean): readonly Step[] {
  const bind = (source: string, flags: readonly ('rec' | 'ro')[], point: 'directory' | 'file' = 'directory'): Step => ({
    do: 'mount',
    mount: { source, target: source, flags: ['bind', ...flags] },
    point,
  });
  const safe = ['nosuid', 'nodev', 'noexec'] as const;
  const sysFlags = privileged ? safe : ([...safe, 'ro'] as const);
  const common: Step[] = [
    bind('/proc', []),
    ...(privileged ? [] : [bind('/proc/sys', ['ro'])]),
    { do: 'mount', mount: { source: 'sysfs', target: '/sys', type: 'sysfs', flags: sysFlags }, point: 'directory' },
    bind('/sys/fs/cgroup', privileged ? ['rec'] : ['rec', 'ro']),
  ];
  if (privileged) return [...common, bind('/dev', ['rec'])];
  return [
    ...common,
    {
      do: 'mount',
      mount: { source: 'tmpfs', target: '/dev', type: 'tmpfs', flags: ['nosuid'], data: 'mode=755,size=64k' },
      point: 'directory',
    },
    ...DEVICES.map((name) => bind(`/dev/${name}`, [], 'file')),
    bind('/dev/pts', []), // the node's, so that a terminal that the kubelet opens has a name here
    { do: 'symlink', path: '/dev/ptmx', to: 'pts/ptmx' },
    { do: 'mkdir', path: '/dev/shm' },
    {
      do: 'mount',
      mount: { source: 'shm', target: '/dev/shm', type: 'tmpfs', flags: safe, data: 'mode=1777,size=64m' },
    },
    { do: 'symlink', path: '/dev/fd', to: '/proc/self/fd' },
    { do: 'symlink', path: '/dev/stdin', to: '/proc/self/fd/0' },
    { do: 'symlink', path: '/dev/stdout', to: '/proc/self/fd/1' },
    { do: 'symlink', path: '/dev/stderr', to: '/proc/self/fd/2' },
  ];
}

function volumeSteps(mount: VolumeMount, input: ContainerPlanInput): readonly Step[] {
  const { env, volumePath } = input;
  if (mount.mountPropagation === 'Bidirectional') {
    throw new MeshError(
      'CONTAINER_CONFIG',
      `volumeMount "${mount.name}": the lab has no mountPropagation Bidirectional`,
    );
  }
  const below = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, env);
  const volume = volumePath(mount.name);
  const source = below === undefined || below === '' ? volume : subPath(volume, below);
  const point = statSync(source).isDirectory() ? 'directory' : 'file';
  const target = join('/', mount.mountPath);
  const flags = mount.readOnly === true ? (['bind', 'rec', 'ro'] as const) : (['bind', 'rec'] as const);
  const bind: Step = { do: 'mount', mount: { source, target, flags }, point };
  if (mount.mountPropagation === 'HostToContainer') return [bind];
  return [bind, { do: 'mount', mount: { target, flags: ['rec', 'private'] } }];
}

function credentials(pod: Pod, container: Container, image: Image): Credentials {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const uid = own.runAsUser ?? shared.runAsUser ?? image.user;
  if (uid === 0 && (own.runAsNonRoot ?? shared.runAsNonRoot) === true) {
    throw new MeshError(
      'CONTAINER_CONFIG',
      'container has runAsNonRoot and the image will run as root (set runAsUser)',
    );
  }
  const privileged = own.privileged === true;
  return {
    uid,
    gid: own.runAsGroup ?? shared.runAsGroup ?? 0,
    groups: [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])],
    ...(privileged ? {} : { capabilities: containerCapabilities(own.capabilities ?? {}) }),
    noNewPrivileges: own.allowPrivilegeEscalation === false,
  };
}
