import { Group, Text, useComputedColorScheme } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import uPlot from 'uplot';

const HEIGHT = 150;
/** Charts with this name move their cursors together. */
const SYNC = 'health';

const time = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const second = new Intl.DateTimeFormat('en', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export interface ChartProps {
  readonly title: string;
  readonly unit: string;
  /** Seconds since 1970, rising. */
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
  /** Moments to be marked, in the same seconds. */
  readonly marks?: readonly number[];
}

/** One curve over time, as wide as its place. What it shows stands in words beside its title too. */
export function Chart({ title, unit, at, values, marks = [] }: ChartProps): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const marked = useRef(marks);
  marked.current = marks;
  const scheme = useComputedColorScheme('light');

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read anew when the scheme changes
  useEffect(() => {
    const element = place.current!;
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--mantine-color-dimmed'),
      font: `11px ${style.fontFamily}`,
      grid: { stroke: colour('--soft-line'), width: 1 },
      ticks: { show: false },
    };
    const drawn = new uPlot(
      {
        width: element.clientWidth || 300,
        height: HEIGHT,
        legend: { show: false },
        cursor: { sync: { key: SYNC }, y: false, drag: { x: false, y: false } },
        padding: [8, 8, 0, 0],
        scales: { y: { range: (_, low, high) => [Math.min(0, low * 1.15), high > 0 ? high * 1.15 : low < 0 ? 0 : 1] } },
        axes: [
          {
            ...axis,
            space: 78,
            size: 26,
            values: (_, ticks, _axis, _space, step) =>
              ticks.map((tick) => (step < 60 ? second : time).format(tick * 1000)),
          },
          { ...axis, size: 44, space: 34, values: (_, ticks) => ticks.map((tick) => short.format(tick)) },
        ],
        series: [
          {},
          {
            stroke: colour('--curve'),
            fill: colour('--curve-soft'),
            width: 1.6,
            points: { show: false },
          },
        ],
        hooks: {
          draw: [
            ({ ctx, bbox, valToPos, scales }) => {
              ctx.save();
              ctx.strokeStyle = colour('--warn');
              ctx.setLineDash([4, 4]);
              for (const mark of marked.current) {
                if (mark < scales.x!.min! || mark > scales.x!.max!) continue;
                const x = Math.round(valToPos(mark, 'x', true));
                ctx.beginPath();
                ctx.moveTo(x, bbox.top);
                ctx.lineTo(x, bbox.top + bbox.height);
                ctx.stroke();
              }
              ctx.restore();
            },
          ],
        },
      },
      [[], []],
      element,
    );
    chart.current = drawn;
    const watching = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    watching.observe(element);
    return () => {
      watching.disconnect();
      drawn.destroy();
      chart.current = null;
    };
  }, [scheme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a chart of other colours needs its data again
  useEffect(() => {
    chart.current?.setData([[...at], [...values]]);
  }, [at, values, scheme]);

  const last = values.findLast((value) => value !== null);
  return (
    <figure className="chart">
      <Group component="figcaption" justify="space-between" mb={4}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Text size="sm" c="dimmed">
          {last === undefined || last === null ? '–' : `${short.format(last)} ${unit}`}
        </Text>
      </Group>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}
