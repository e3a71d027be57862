/** Under which names the mesh may know what a client asks for (ztunnel.md section 7, points 4, 5 and 9). */

/** Who asks, and what the Kubernetes names of its cluster end in. All names are lower case, without a final dot. */
export type NameScope = {
  readonly clientNamespace: string;
  /** For example `cluster.local`. */
  readonly clusterDomain: string;
  /** What the client's resolver appends to names; undefined: the three domains of a pod of Kubernetes. */
  readonly searchDomains?: readonly string[];
};

export type NameCandidate = {
  readonly name: string;
  /** The question without the search domain that the client's resolver had appended to it. */
  readonly stripped?: string;
};

/** Names to try, the best first, each once. */
export function candidateNames(name: string, scope: NameScope): readonly NameCandidate[] {
  const { clientNamespace: namespace, clusterDomain: domain } = scope;
  const found = new Map<string, NameCandidate>();
  const add = (candidate: NameCandidate) => {
    if (!found.has(candidate.name)) found.set(candidate.name, candidate);
  };
  add({ name });
  for (const full of expansions(name, scope)) add({ name: full });
  for (const search of scope.searchDomains ?? [`${namespace}.svc.${domain}`, `svc.${domain}`, domain]) {
    if (!name.endsWith(`.${search}`)) continue;
    const stripped = name.slice(0, -search.length - 1);
    add({ name: stripped, stripped });
    for (const full of expansions(stripped, scope)) add({ name: full, stripped });
  }
  return [...found.values()];
}

/** The full names of Kubernetes that a short one may mean, by its number of labels. */
function expansions(name: string, { clientNamespace, clusterDomain }: NameScope): readonly string[] {
  const labels = name.split('.');
  const endsInSvc = labels.at(-1) === 'svc';
  switch (labels.length) {
    case 1:
      return [`${name}.${clientNamespace}.svc.${clusterDomain}`];
    case 2:
      return [`${name}.svc.${clusterDomain}`, `${name}.${clientNamespace}.svc.${clusterDomain}`];
    case 3:
      return [...(endsInSvc ? [`${name}.${clusterDomain}`] : []), `${name}.svc.${clusterDomain}`];
    case 4:
      return endsInSvc ? [`${name}.${clusterDomain}`] : [];
    default:
      return [];
  }
}

/** The wildcard hosts that cover a name, the narrowest first: `*.b.c` and `*.c` for `a.b.c`. */
export function* wildcardsOf(name: string): Generator<string> {
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) yield `*${name.slice(dot)}`;
}
