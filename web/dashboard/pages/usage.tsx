import {
  Button,
  Group,
  NativeSelect,
  Paper,
  SegmentedControl,
  SimpleGrid,
  Table,
  Text,
  TextInput,
} from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import type { Usage, UsageSum } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { BarChart } from '../parts/bar-chart.tsx';
import { Empty } from '../parts/empty.tsx';
import { bytes, count, duration } from '../parts/format.ts';
import { type Column, Listing } from '../parts/listing.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';

type Row = Usage['docs'][number];

const hours = (seconds: number) => (seconds < 36_000 ? duration(seconds) : `${count(Math.round(seconds / 3600))} h`);
const MEASURES = {
  streamed_s: { label: 'Hours on air', words: hours },
  viewer_s: { label: 'Viewer hours', words: hours },
  bytes_out: { label: 'Bytes to viewers', words: bytes },
  bytes_in: { label: 'Bytes from encoders', words: bytes },
  plays: { label: 'Plays', words: count },
} as const;
type Measure = keyof typeof MEASURES;
type Group_ = 'day' | 'live_stream';

const DAY_MS = 86_400_000;
/** A UTC day, as the API counts them. */
const dayAt = (ms: number) => new Date(ms).toISOString().slice(0, 10);
const COLUMNS: readonly Column[] = [
  { title: 'On air', as: 'figure' },
  { title: 'Viewer hours', as: 'figure' },
  { title: 'In', as: 'wide figure' },
  { title: 'Out', as: 'figure' },
  { title: 'Plays', as: 'wide figure' },
  { title: 'Viewers', as: 'wide figure' },
  { title: 'Start-up', as: 'wide figure' },
  { title: 'Stalls', as: 'wide figure' },
  { title: 'Errors', as: 'wide figure' },
];

/** Every day of the range: those without anything have no row. */
function daysOf(from: string, to: string, rows: readonly Row[], measure: Measure) {
  const of = new Map(rows.map((row) => [row.day, row[measure]]));
  const bars = [];
  for (let ms = Date.parse(from); ms <= Date.parse(to) && bars.length < 400; ms += DAY_MS)
    bars.push({ name: dayAt(ms), value: of.get(dayAt(ms)) ?? 0 });
  return bars;
}

/** How much was streamed and watched, by day or live stream. */
export default function UsagePage(): ReactNode {
  const today = dayAt(Date.now());
  const [from, setFrom] = useState(dayAt(Date.now() - 29 * DAY_MS));
  const [to, setTo] = useState(today);
  const [group, setGroup] = useState<Group_>('day');
  const [measure, setMeasure] = useState<Measure>('viewer_s');
  const ranged = from !== '' && to !== '' && from <= to;
  const query = useQuery({
    queryKey: ['usage', from, to, group],
    enabled: ranged,
    queryFn: () => api.get<Usage>('usage', { from, to, group }),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
  const last = (days: number) => {
    setFrom(dayAt(Date.now() - (days - 1) * DAY_MS));
    setTo(today);
  };
  return (
    <>
      <PageHead title="Usage" lead="Days are those of UTC. Figures are a minute old at most." />
      <Group gap="xs" mb="md" align="flex-end">
        <TextInput
          label="From"
          type="date"
          max={today}
          value={from}
          error={ranged ? undefined : 'From is the earlier day.'}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          label="To"
          type="date"
          max={today}
          value={to}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        {[7, 30, 90].map((days) => (
          <Button key={days} variant="default" onClick={() => last(days)}>
            {days} days
          </Button>
        ))}
        <SegmentedControl
          aria-label="Rows"
          value={group}
          onChange={(value) => setGroup(value as Group_)}
          data={[
            { value: 'day', label: 'By day' },
            { value: 'live_stream', label: 'By live stream' },
          ]}
        />
      </Group>
      <Loaded query={query}>
        {(usage) =>
          usage.total.streamed_s === 0 && usage.total.plays === 0 ? (
            <Empty
              title="Nothing to count yet"
              text="As soon as a live stream goes on air, its hours, its viewers’ hours and the bytes that went in and out stand here, by day and by live stream."
            />
          ) : (
            <>
              <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="sm" mb="md">
                {(['streamed_s', 'viewer_s', 'bytes_out', 'plays'] as const).map((one) => (
                  <Paper key={one} p="md">
                    <Text size="xs" c="dimmed">
                      {MEASURES[one].label}
                    </Text>
                    <Text size="xl" fw={650}>
                      {MEASURES[one].words(usage.total[one])}
                    </Text>
                  </Paper>
                ))}
              </SimpleGrid>
              <Paper p="md" mb="md">
                <NativeSelect
                  aria-label="What the chart shows"
                  size="xs"
                  maw={260}
                  mb="sm"
                  value={measure}
                  onChange={(event) => setMeasure(event.currentTarget.value as Measure)}
                  data={Object.entries(MEASURES).map(([value, { label }]) => ({ value, label }))}
                />
                <BarChart
                  label={`${MEASURES[measure].label} ${group === 'day' ? 'by day' : 'by live stream'}; the table below has the figures`}
                  words={MEASURES[measure].words}
                  bars={
                    group === 'day'
                      ? daysOf(from, to, usage.docs, measure)
                      : usage.docs.slice(0, 60).map((row) => ({ name: nameOf(row), value: row[measure] }))
                  }
                />
              </Paper>
              <Listing label="Usage" columns={[{ title: group === 'day' ? 'Day' : 'Live stream' }, ...COLUMNS]}>
                {(group === 'day' ? usage.docs.toReversed() : usage.docs).map((row) => (
                  <Table.Tr key={row.day ?? row.live_stream}>
                    <Table.Td>
                      {row.live_stream ? (
                        <Link href={`/streams/${row.live_stream}`} className="link">
                          {nameOf(row)}
                        </Link>
                      ) : (
                        row.day
                      )}
                    </Table.Td>
                    <Figures sums={row} />
                  </Table.Tr>
                ))}
                <Table.Tr>
                  <Table.Td>
                    <b>All</b>
                  </Table.Td>
                  <Figures sums={usage.total} />
                </Table.Tr>
              </Listing>
            </>
          )
        }
      </Loaded>
    </>
  );
}

const nameOf = (row: Row): string => row.name || row.live_stream || row.day || '';

const Figures = ({ sums }: { readonly sums: UsageSum }): ReactNode => (
  <>
    <Table.Td className="figure">{hours(sums.streamed_s)}</Table.Td>
    <Table.Td className="figure">{hours(sums.viewer_s)}</Table.Td>
    <Table.Td className="wide figure">{bytes(sums.bytes_in)}</Table.Td>
    <Table.Td className="figure">{bytes(sums.bytes_out)}</Table.Td>
    <Table.Td className="wide figure">{count(sums.plays)}</Table.Td>
    <Table.Td className="wide figure">{count(sums.unique_viewers)}</Table.Td>
    <Table.Td className="wide figure" title={sums.startup_ms ? `95 %: ${count(sums.startup_ms.p95)} ms` : undefined}>
      {sums.startup_ms ? `${count(sums.startup_ms.p50)} ms` : '–'}
    </Table.Td>
    <Table.Td className="wide figure">{count(sums.stalls)}</Table.Td>
    <Table.Td className="wide figure">{count(sums.errors)}</Table.Td>
  </>
);
