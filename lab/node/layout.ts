/** Paths inside a node. */
export const NODE = {
  /** The machine's tree, read only. */
  machine: '/machine',
  /** The checkout, read only; the same path as in real container images. */
  checkout: '/opt/ambit',
  cniConfig: '/etc/cni/net.d',
  cniBin: '/opt/cni/bin',
  netns: '/var/run/netns',
  /** Per pod: volumes, layers, hosts files. */
  pods: '/var/lib/kubelet/pods',
  /** The lab's own CNI plugin keeps the addresses in use here. */
  ipam: '/var/lib/cni/networks',
  /** Container logs; a folder of the lab's state, so that they can be read after the lab has gone down. */
  logs: '/var/log/pods',
  /** Start-up code of Node programs, compiled once for each node. */
  compileCache: '/var/cache/ambit',
} as const;
