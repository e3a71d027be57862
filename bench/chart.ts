/** Rows as an SVG: bars, one group for each row, each group scaled by its own largest value; then curves of what grew. Pure. */
import { curvesOf, drawCurve } from './curve.ts';
import { AMBIT, type Row, showNumber } from './report.ts';

const WIDTH = 760;
const LABEL_WIDTH = 90;
const VALUE_WIDTH = 80;
const BAR_HEIGHT = 14;
const TITLE_HEIGHT = 24;
const GROUP_GAP = 12;

const escapeXml = (text: string) =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);

export function chart(rows: readonly Row[], title: string): string {
  const parts: string[] = [];
  let y = 40;
  for (const row of rows.filter(({ growth }) => growth === undefined)) {
    const bars = [...(row.ambit === undefined ? [] : [[AMBIT, row.ambit] as const]), ...Object.entries(row.peers)];
    const largest = Math.max(...bars.map(([, value]) => value), Number.MIN_VALUE);
    const heading = `${row.suite}: ${row.name}, ${row.metric} (${row.unit}, ${row.better} is better)`;
    parts.push(`<text x="10" y="${y + 14}" font-weight="bold">${escapeXml(heading)}</text>`);
    y += TITLE_HEIGHT;
    for (const [name, value] of bars) {
      const length = Math.max(0, (value / largest) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH - 20));
      const baseline = y + BAR_HEIGHT - 3;
      parts.push(
        `<text x="${LABEL_WIDTH}" y="${baseline}" text-anchor="end">${escapeXml(name)}</text>`,
        `<rect x="${LABEL_WIDTH + 6}" y="${y}" width="${length.toFixed(1)}" height="${BAR_HEIGHT - 2}" fill="${name === AMBIT ? '#d97706' : '#94a3b8'}"/>`,
        `<text x="${(LABEL_WIDTH + 12 + length).toFixed(1)}" y="${baseline}">${showNumber(value)}</text>`,
      );
      y += BAR_HEIGHT;
    }
    y += GROUP_GAP;
  }
  for (const curve of curvesOf(rows)) {
    const { parts: drawn, bottom } = drawCurve(curve, y);
    parts.push(...drawn);
    y = bottom;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="10" y="22" font-size="14">${escapeXml(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}
