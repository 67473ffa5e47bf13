import { Paper, SimpleGrid, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { ServerStatus } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Badge, type Tone } from '../parts/badge.tsx';
import { bytes, count, timeOf } from '../parts/format.ts';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import '../parts/listing.css';

interface Fact {
  readonly name: string;
  readonly value: ReactNode;
  /** How that is, where it may be bad. */
  readonly is?: readonly [Tone, string];
}

/** From these on somebody should look. */
const LOW_DISK = 0.1;
const SLOW_LOOP_MS = 100;
const SLOW_DATABASE_MS = 250;

function factsOf({ database, disk, ffmpeg, nodes, ...status }: ServerStatus): readonly Fact[] {
  const lowDisk = disk !== null && disk.free < disk.total * LOW_DISK;
  const loop = status.event_loop_p99_ms;
  const slow = (database.ms ?? 0) > SLOW_DATABASE_MS;
  return [
    { name: 'Version', value: `LiveAPI ${status.version} on Node ${status.node.replace(/^v/, '')}` },
    { name: 'Running since', value: timeOf(status.started_at) },
    {
      name: 'Database',
      value: `${database.kind}${database.ms === null ? '' : `, answers in ${count(Math.round(database.ms))} ms`}`,
      is: !database.ok ? ['bad', 'does not answer'] : slow ? ['warn', 'slow'] : ['good', 'works'],
    },
    {
      name: 'Disk',
      value: disk ? `${bytes(disk.free)} free of ${bytes(disk.total)}` : 'unknown',
      ...(disk && { is: lowDisk ? (['warn', 'nearly full'] as const) : (['good', 'enough'] as const) }),
    },
    {
      name: 'ffmpeg',
      value: ffmpeg ?? 'not found: pulls over RTSP and SRT, and still pictures, need it',
      is: ffmpeg ? ['good', 'there'] : ['quiet', 'missing'],
    },
    { name: 'Memory', value: bytes(status.memory.rss) },
    {
      name: 'Event loop, 99 %',
      value: `${loop.toFixed(1)} ms late`,
      is: loop > SLOW_LOOP_MS ? ['warn', 'busy'] : ['good', 'calm'],
    },
    { name: 'Servers on this database', value: count(Math.max(nodes.length, 1)) },
  ];
}

/** For owners: whether the server is well. */
export default function StatusPage(): ReactNode {
  const query = useQuery({
    queryKey: ['status'],
    queryFn: () => api.get<ServerStatus>('status'),
    refetchInterval: 5000,
  });
  return (
    <>
      <PageHead title="Status" lead="How this server fares, anew every five seconds." />
      <Loaded query={query}>
        {(status) => (
          <>
            <SimpleGrid cols={2} spacing="sm" mb="md">
              {[
                ['On air', status.on_air],
                ['Viewers', status.viewers],
              ].map(([name, value]) => (
                <Paper key={name} p="md">
                  <Text size="xs" c="dimmed">
                    {name}
                  </Text>
                  <Text size="xl" fw={650}>
                    {count(Number(value))}
                  </Text>
                </Paper>
              ))}
            </SimpleGrid>
            <Paper component="section" className="listing" aria-label="The server">
              <Table verticalSpacing="sm" horizontalSpacing="md">
                <Table.Tbody>
                  {factsOf(status).map(({ name, value, is }) => (
                    <Table.Tr key={name}>
                      <Table.Th scope="row">{name}</Table.Th>
                      <Table.Td>{value}</Table.Td>
                      <Table.Td className="tight">{is && <Badge tone={is[0]}>{is[1]}</Badge>}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Paper>
          </>
        )}
      </Loaded>
    </>
  );
}
