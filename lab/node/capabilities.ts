/** Capabilities by name, and what a container gets of them. */
import { MeshError } from '../../mesh/index.ts';

/** In the order of their numbers, capabilities(7). */
const NAMES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ');

/** What containerd and Docker give by default. */
const DEFAULT = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP', 'SETPCAP'],
  ...['NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE'],
];

const plain = (name: string) => name.toUpperCase().replace(/^CAP_/, '');

/** Numbers of the capabilities a container keeps. @throws MeshError CONTAINER_CONFIG for a name that does not exist. */
export function containerCapabilities(change: {
  readonly add?: readonly string[];
  readonly drop?: readonly string[];
}): readonly number[] {
  const kept = new Set(DEFAULT);
  const drop = (change.drop ?? []).map(plain);
  const add = (change.add ?? []).map(plain);
  if (add.includes('ALL')) for (const name of NAMES) kept.add(name);
  if (drop.includes('ALL')) kept.clear();
  for (const name of drop) kept.delete(name);
  for (const name of add) if (name !== 'ALL') kept.add(name);
  return [...kept].map((name) => {
    const number = NAMES.indexOf(name);
    if (number < 0) throw new MeshError('CONTAINER_CONFIG', `securityContext.capabilities: there is no "${name}"`);
    return number;
  });
}
