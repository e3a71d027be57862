/** Rows that were measured at several sizes, as curves over the size: both axes by powers of ten, so that a line means proportion. Pure. */
import { AMBIT, type Row, showNumber } from './report.ts';

const LEFT = 90;
const WIDTH = 520;
const HEIGHT = 150;
const LABEL_ROOM = 50;
const INK = '#d97706';

type Point = { readonly x: number; readonly y: number };
export type Curve = {
  readonly name: string;
  readonly by: string;
  readonly unit: string;
  readonly points: readonly Point[];
};

/** One curve for each thing that grew, in the order in which they were measured. */
export function curvesOf(rows: readonly Row[]): readonly Curve[] {
  const curves = new Map<string, Curve>();
  for (const { growth, ambit, unit } of rows) {
    if (growth === undefined || ambit === undefined) continue;
    const known = curves.get(growth.of);
    const points = [...(known?.points ?? []), { x: growth.at, y: ambit }].sort((a, b) => a.x - b.x);
    curves.set(growth.of, { name: growth.of, by: growth.by, unit, points });
  }
  return [...curves.values()];
}

/** The SVG elements of one curve, from `top` on, and where the next may begin. */
export function drawCurve(curve: Curve, top: number): { readonly parts: readonly string[]; readonly bottom: number } {
  const { points, name, by, unit } = curve;
  const xs = scale(points.map(({ x }) => x));
  const ys = scale(points.map(({ y }) => y));
  const at = ({ x, y }: Point) => [LEFT + xs(x) * WIDTH, top + LABEL_ROOM / 2 + (1 - ys(y)) * HEIGHT] as const;
  const base = top + LABEL_ROOM / 2 + HEIGHT;
  const line = points
    .map((point) =>
      at(point)
        .map((value) => value.toFixed(1))
        .join(','),
    )
    .join(' ');
  const parts = [
    `<text x="10" y="${top + 14}" font-weight="bold">${AMBIT}: ${name} (${unit}) by ${by}</text>`,
    `<path d="M${LEFT},${base} h${WIDTH}" stroke="#94a3b8"/>`,
    `<polyline points="${line}" fill="none" stroke="${INK}" stroke-width="2"/>`,
    ...points.flatMap((point) => {
      const [x, y] = at(point);
      return [
        `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${INK}"/>`,
        `<text x="${(x + 6).toFixed(1)}" y="${(y - 6).toFixed(1)}">${showNumber(point.y)}</text>`,
        `<text x="${x.toFixed(1)}" y="${base + 14}" text-anchor="middle">${point.x.toLocaleString('en')}</text>`,
      ];
    }),
  ];
  return { parts, bottom: base + LABEL_ROOM };
}

/** From 0 to 1 by whole powers of ten around the values. */
function scale(values: readonly number[]): (value: number) => number {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return (value) => (Math.log10(value) - low) / (high - low);
}
