/**
 * The lab's Kubernetes API server. The lab runtime starts it like this:
 *
 * ```ts
 * await using api = await ApiServer.start({
 *   stateDir,                                              // db.sqlite and pki/ are kept here
 *   listeners: [{ fd: underlayFd }, { fd: loopbackFd }],   // or { host: '127.0.0.1', port: 0 }
 *   advertise: [{ ip: '172.30.0.1', port: 6443 }],         // what the Service `kubernetes` leads to
 *   dialNode: (ip, port) => dialTcp({ netns: underlay, to: { ip, port } }),
 *   kubeletSecret,                                         // header x-lab-token towards kubelets
 * });
 * api.ports;                                               // the bound ports, in the order of `listeners`
 * api.adminKubeconfig('https://127.0.0.1:PORT');           // YAML, client certificate of system:masters
 * api.kubeconfigFor('https://172.30.0.1:6443', token);     // YAML, bearer token
 * await api.tokenFor('system:node:node-1', ['system:nodes']); // bearer token for a lab component, valid for a year
 * api.caPem;                                               // root of its serving certificate
 * await api.close();                                       // or `await using`
 * ```
 *
 * What a real cluster's components do holds here, too: the scheduler gives a pod its node by `POST pods/NAME/binding` (the
 * field can't be patched); a deleted pod that has a node keeps its `deletionTimestamp` until its kubelet deletes it with
 * `gracePeriodSeconds: 0`; status goes through `/status`; a pod's token comes from `serviceaccounts/NAME/token`.
 *
 * Users of lab components: `system:node:NAME` in group `system:nodes`, `system:kube-scheduler`,
 * `system:kube-controller-manager`; each has the usual bootstrap ClusterRole. Anything in `system:masters` may do all.
 */
export { currentKubectl, ensureKubectl, type KubectlOptions } from './kubectl.ts';
export { ApiServer, type ApiServerOptions, type Listener } from './server.ts';
