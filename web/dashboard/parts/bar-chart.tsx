import './bar-chart.css';
import type { ReactNode } from 'react';

/** One bar for each row, the highest as high as the chart. The table beside it has the same for who cannot see it. */
export function BarChart(props: {
  readonly label: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
  readonly words: (value: number) => string;
}): ReactNode {
  const { bars, words } = props;
  const most = Math.max(...bars.map(({ value }) => value), 0);
  return (
    <figure className="bars" role="img" aria-label={props.label}>
      <div className="bars-most">{most > 0 ? words(most) : 'nothing yet'}</div>
      <div className="bars-row">
        {bars.map(({ name, value }) => (
          <div key={name} className="bar" title={`${name}: ${words(value)}`}>
            <i style={{ height: `${most > 0 ? (100 * value) / most : 0}%` }} data-some={value > 0 || undefined} />
          </div>
        ))}
      </div>
      <div className="bars-ends">
        <span>{bars[0]?.name}</span>
        {bars.length > 1 && <span>{bars.at(-1)!.name}</span>}
      </div>
    </figure>
  );
}
