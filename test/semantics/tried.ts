/** Rows: policies that are tried out. They cut nothing, and say what they would have changed. */
import { ap, type Case, dry, identityOf, selecting, source } from './case.ts';

const CLIENT = source({ principals: [identityOf('client')] });
const NEAR = source({ principals: [identityOf('near')] });
const OPEN = 'allow no-allow-policies';

export const TRIED: readonly Case[] = [
  {
    name: 'a DENY that is tried out',
    objects: () => [dry('d', { ...selecting('server'), action: 'DENY', rules: [NEAR, CLIENT] })],
    calls: {
      client: `${OPEN}, tried: shop/d#1 would deny`,
      near: `${OPEN}, tried: shop/d#0 would deny`,
      outside: OPEN,
      'client to other': OPEN,
    },
  },
  {
    name: 'the first ALLOW of a workload, tried out',
    objects: () => [dry('a', { rules: [CLIENT] })],
    calls: { client: OPEN, near: `${OPEN}, tried: shop/a would deny`, outside: `${OPEN}, tried: shop/a would deny` },
  },
  {
    name: 'a further ALLOW, tried out',
    objects: () => [ap('e', { rules: [CLIENT] }), dry('a', { rules: [NEAR] })],
    calls: {
      client: 'allow shop/e#0',
      near: 'deny no-allow-match (nearest shop/e#0 principals), tried: shop/a#0 would allow',
      outside: 'deny no-allow-match (nearest shop/e#0 principals)',
    },
  },
  {
    name: 'an ALLOW that is tried out beside a DENY would not help',
    objects: () => [ap('d', { action: 'DENY', rules: [CLIENT] }), dry('a', { rules: [CLIENT] })],
    calls: { client: 'deny shop/d#0', near: `${OPEN}, tried: shop/a would deny` },
  },
  {
    name: 'a DENY that is tried out for what is denied already',
    objects: () => [ap('e', {}), dry('d', { action: 'DENY', rules: [CLIENT] })],
    calls: { client: 'deny no-allow-match', near: 'deny no-allow-match' },
  },
  {
    name: 'several, tried out at once',
    objects: () => [
      dry('d', { action: 'DENY', rules: [{}, CLIENT] }),
      dry('istio-system/m', { action: 'DENY', rules: [NEAR] }),
      dry('other', { ...selecting('other'), action: 'DENY', rules: [{}] }),
    ],
    calls: {
      client: `${OPEN}, tried: shop/d#0 would deny, shop/d#1 would deny`,
      near: `${OPEN}, tried: istio-system/m#0 would deny, shop/d#0 would deny`,
      'outside to other': `${OPEN}, tried: shop/d#0 would deny, shop/other#0 would deny`,
    },
  },
  {
    name: 'a DENY of what L4 can not see, tried out',
    objects: () => [dry('d', { action: 'DENY', rules: [{ to: [{ operation: { methods: ['GET'] } }] }] })],
    calls: { client: `${OPEN}, tried: shop/d#0 would deny` },
  },
  {
    name: 'a policy that can not be read, tried out',
    objects: () => [dry('d', { action: 'DENY', rule: [] })],
    calls: { client: `${OPEN}, tried: shop/d#0 would deny` },
  },
];
