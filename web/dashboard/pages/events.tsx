import { Group, Modal, NativeSelect, Stack, Table, Text } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import type { Event, EventList, LiveStreamList } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Empty } from '../parts/empty.tsx';
import { eventChoices } from '../parts/event-list.ts';
import { count, timeOf } from '../parts/format.ts';
import { JsonBlock } from '../parts/json-block.tsx';
import { type Column, Listing, Pages } from '../parts/listing.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import { useUpdates } from '../updates.tsx';
import '../webhooks/webhooks.css';

const COLUMNS: readonly Column[] = [
  { title: 'Event' },
  { title: 'Of' },
  { title: 'Number', as: 'wide figure' },
  { title: 'Time', as: 'wide' },
];

/** What an event is about: a live stream, itself or with its platform; null where it is about something else. */
function streamOf({ payload }: Event): { readonly _id: string; readonly name?: string } | null {
  const { stream = payload } = payload as { stream?: object };
  const { _id, name } = stream as { _id?: unknown; name?: unknown };
  return typeof _id === 'string' ? { _id, ...(typeof name === 'string' && { name }) } : null;
}

/** The environment's log; new events come in by themselves. */
export default function Events(): ReactNode {
  const [search, setSearch] = useSearchParams();
  const [page, setPage] = useState(1);
  const [opened, setOpened] = useState<Event | null>(null);
  const { link } = useUpdates();
  const name = search.get('event') ?? '';
  const stream = search.get('live_stream') ?? '';
  const filter = (key: string, value: string) => {
    setPage(1);
    setSearch(
      (before) => {
        if (value) before.set(key, value);
        else before.delete(key);
        return before;
      },
      { replace: true },
    );
  };
  const query = useQuery({
    queryKey: ['events', page, name, stream],
    queryFn: () => api.get<EventList>('events', { page, limit: 50, event: name, live_stream: stream }),
    placeholderData: keepPreviousData,
    refetchInterval: link === 'live' ? false : 5000,
  });
  const streams = useQuery({
    queryKey: ['live_streams', 'names'],
    queryFn: () => api.get<LiveStreamList>('live_streams', { limit: 100 }),
  });
  const choices = (streams.data?.docs ?? []).map((one) => ({ value: one._id, label: one.name || one._id }));
  // Chosen by a link, and gone or further back than the list.
  if (stream && !choices.some(({ value }) => value === stream)) choices.push({ value: stream, label: stream });
  return (
    <>
      <PageHead title="Events" lead="Everything that has happened here in the last 30 days, as it happens." />
      <Group gap="xs" mb="sm">
        <NativeSelect
          aria-label="Event"
          value={name}
          onChange={(event) => filter('event', event.currentTarget.value)}
          data={eventChoices('All events')}
        />
        <NativeSelect
          aria-label="Live stream"
          maw={260}
          value={stream}
          onChange={(event) => filter('live_stream', event.currentTarget.value)}
          data={[{ value: '', label: 'All live streams' }, ...choices]}
        />
      </Group>
      <Loaded query={query}>
        {({ docs, pages }) =>
          docs.length === 0 ? (
            <Empty
              title={name || stream ? 'Nothing like that' : 'Nothing has happened yet'}
              text={
                name || stream
                  ? 'No event of the last 30 days is like that. Choose other ones above.'
                  : 'When a live stream is made, goes online, loses its encoder or fails at a platform, it stands here, with all that a webhook would be told.'
              }
            />
          ) : (
            <>
              <Listing label="Events" columns={COLUMNS}>
                {docs.map((event) => {
                  const of = streamOf(event);
                  return (
                    <Table.Tr key={event.id}>
                      <Table.Td>
                        <button type="button" className="opens" onClick={() => setOpened(event)}>
                          {event.event}
                        </button>
                        <span className="soft-line narrow">{timeOf(event.created_at)}</span>
                      </Table.Td>
                      <Table.Td>
                        {of &&
                          (event.event === 'stream-removed' ? (
                            of.name || of._id
                          ) : (
                            <Link href={`/streams/${of._id}`} className="link">
                              {of.name || of._id}
                            </Link>
                          ))}
                      </Table.Td>
                      <Table.Td className="wide figure">{count(event.number)}</Table.Td>
                      <Table.Td className="wide">{timeOf(event.created_at)}</Table.Td>
                    </Table.Tr>
                  );
                })}
              </Listing>
              <Pages pages={pages} page={page} turn={setPage} />
            </>
          )
        }
      </Loaded>
      {opened && (
        <Modal
          opened
          onClose={() => setOpened(null)}
          title={opened.event}
          size="lg"
          closeButtonProps={{ 'aria-label': 'Close' }}
        >
          <Stack gap="sm">
            <Text size="sm" c="dimmed">
              {timeOf(opened.created_at)} · the same as webhooks are told
            </Text>
            <JsonBlock label="the event" json={opened} />
          </Stack>
        </Modal>
      )}
    </>
  );
}
