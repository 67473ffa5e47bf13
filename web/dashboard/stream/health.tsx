import 'uplot/dist/uPlot.min.css';
import { Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { Chart } from '../parts/chart.tsx';
import { Empty } from '../parts/empty.tsx';
import { clockOf, timeOf } from '../parts/format.ts';
import { Loaded } from '../parts/problem.tsx';
import type { TabProps } from './change.ts';

const RENEW_MS = 4000;

/** What GET /live_streams/{id}/health answers: columns of one length. */
interface Health {
  readonly session: {
    readonly broadcast: string;
    readonly started_at: string;
    readonly ended_at: string | null;
  } | null;
  readonly interval_s: number;
  readonly samples: Readonly<Record<Column | 'at', readonly (number | null)[]>>;
  readonly moments: readonly Moment[];
}
interface Moment {
  readonly at: string;
  readonly code: string;
  readonly severity: 'info' | 'warning' | 'error';
  readonly message: string;
  readonly cleared_at: string | null;
}

type Column = 'bitrate_kbps' | 'frame_rate' | 'key_frame_interval_s' | 'drift_ms' | 'dropped' | 'viewers';
const CHARTS: readonly { readonly column: Column; readonly title: string; readonly unit: string }[] = [
  { column: 'bitrate_kbps', title: 'Bitrate', unit: 'kbit/s' },
  { column: 'frame_rate', title: 'Frame rate', unit: 'frames/s' },
  { column: 'key_frame_interval_s', title: 'Key frame interval', unit: 's' },
  { column: 'drift_ms', title: 'Picture and sound apart', unit: 'ms' },
  { column: 'dropped', title: 'Dropped frames', unit: 'frames' },
  { column: 'viewers', title: 'Viewers', unit: '' },
];

/** How the running broadcast, or the last one, went: charts, and the advice at its moments. */
export default function HealthTab({ stream }: TabProps): ReactNode {
  const query = useQuery({
    queryKey: ['health', stream._id],
    queryFn: () => api.get<Health>(`live_streams/${stream._id}/health`),
    refetchInterval: RENEW_MS,
  });
  return (
    <Loaded query={query}>
      {({ session, samples, moments }) =>
        !session || samples.at.length === 0 ? (
          <Empty
            title="No broadcast to look at yet"
            text="Once an encoder is on air, its bitrate, frame rate, key frames, drift and viewers are drawn here; where it does something that viewers suffer from, the moment is marked, with what to set."
          />
        ) : (
          <Stack gap="lg">
            <Text size="sm" c="dimmed">
              {session.ended_at
                ? `The last broadcast: ${timeOf(session.started_at)} to ${timeOf(session.ended_at)}.`
                : `On air since ${timeOf(session.started_at)}.`}
            </Text>
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
              {CHARTS.map(({ column, title, unit }) => (
                <Paper key={column} p="md">
                  <Chart
                    title={title}
                    unit={unit}
                    at={samples.at as readonly number[]}
                    values={samples[column] ?? []}
                    marks={moments.map(({ at }) => Date.parse(at) / 1000)}
                  />
                </Paper>
              ))}
            </SimpleGrid>
            <Moments moments={moments} />
          </Stack>
        )
      }
    </Loaded>
  );
}

function Moments({ moments }: { readonly moments: readonly Moment[] }): ReactNode {
  return (
    <section>
      <Title order={2} size="h5" mb="sm">
        Advice
      </Title>
      {moments.length === 0 ? (
        <Text size="sm" c="dimmed">
          The encoder did nothing that viewers suffer from.
        </Text>
      ) : (
        <Paper component="ul" className="rows">
          {moments.toReversed().map((moment) => (
            <li key={`${moment.code} ${moment.at}`} className="moment">
              <Badge tone={moment.cleared_at ? 'quiet' : moment.severity === 'error' ? 'bad' : 'warn'}>
                {clockOf(moment.at)}
              </Badge>
              <Text size="sm" style={{ flex: 1, minWidth: 0 }}>
                {moment.message}
                {moment.cleared_at && <span className="soft"> Over at {clockOf(moment.cleared_at)}.</span>}
              </Text>
            </li>
          ))}
        </Paper>
      )}
    </section>
  );
}
