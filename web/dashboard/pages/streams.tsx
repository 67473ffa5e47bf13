import { Button, Group, Pagination, Paper, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { LiveStream, LiveStreamList } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Empty } from '../parts/empty.tsx';
import { bitrate, count, dayOf } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import { Still } from '../parts/still.tsx';
import { StreamBadge, useOnAir } from '../parts/stream-badge.tsx';
import { useComplain } from '../parts/toast.tsx';
import { useUpdates } from '../updates.tsx';

const PAGE = 50;
/** The API's largest page, and how many of them a search reads. */
const SEARCH_PAGE = 100;
const SEARCH_PAGES = 10;

/** Those whose name or id holds `text`; all of one page without a text. */
async function find(text: string, page: number): Promise<LiveStreamList> {
  if (text === '') return api.get<LiveStreamList>('live_streams', { page, limit: PAGE });
  const docs: LiveStream[] = [];
  for (let page = 1, pages = 1; page <= Math.min(pages, SEARCH_PAGES); page++) {
    const list = await api.get<LiveStreamList>('live_streams', { page, limit: SEARCH_PAGE });
    pages = list.pages;
    docs.push(...list.docs.filter(({ _id, name }) => name.toLowerCase().includes(text) || _id === text));
  }
  return { docs, total: docs.length, limit: SEARCH_PAGE, page: 1, pages: 1 };
}

/** All live streams of the environment. */
export function Streams(): ReactNode {
  const [, go] = useLocation();
  const [page, setPage] = useState(1);
  const [typed, setTyped] = useState('');
  const [text] = useDebouncedValue(typed.trim().toLowerCase(), 250);
  const complain = useComplain();
  const { link } = useUpdates();
  const query = useQuery({
    queryKey: ['live_streams', text, text ? 1 : page],
    queryFn: () => find(text, page),
    placeholderData: keepPreviousData,
    refetchInterval: link === 'live' ? false : 5000,
  });
  const total = query.data?.total ?? 0;
  const creating = useMutation({
    mutationFn: () => api.post<LiveStream>('live_streams', { name: `Live stream ${total + 1}` }),
    onSuccess: ({ _id }) => go(`/streams/${_id}`),
    onError: complain,
  });
  const create = (
    <Button leftSection={<Icon name="plus" size={16} />} loading={creating.isPending} onClick={() => creating.mutate()}>
      New live stream
    </Button>
  );
  const none = query.data && total === 0 && text === '' && typed === '';
  return (
    <>
      <PageHead title="Live streams">{!none && create}</PageHead>
      {none ? (
        <Empty
          title="Nothing here yet"
          text={
            <>
              A live stream is an address to push to and a player to embed. Make one, give its server and key to your
              encoder (OBS, ffmpeg, a camera), or go live from this browser: viewers see it about a second later.
            </>
          }
        >
          {create}
        </Empty>
      ) : (
        <>
          <TextInput
            aria-label="Search live streams"
            placeholder="Search by name or id"
            leftSection={<Icon name="search" size={16} />}
            mb="sm"
            maw={360}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <Loaded query={query} lines={5}>
            {({ docs, pages }) => (
              <>
                <Paper component="ul" className="rows" aria-label="Live streams">
                  {docs.map((stream) => (
                    <Row key={stream._id} stream={stream} />
                  ))}
                  {docs.length === 0 && (
                    <Text component="li" p="lg" c="dimmed" size="sm">
                      No live stream has “{text}” in its name.
                    </Text>
                  )}
                </Paper>
                {pages > 1 && (
                  <Group justify="center" mt="md">
                    <Pagination
                      total={pages}
                      value={page}
                      onChange={setPage}
                      getControlProps={(control) => ({ 'aria-label': `${control} page` })}
                    />
                  </Group>
                )}
              </>
            )}
          </Loaded>
        </>
      )}
    </>
  );
}

function Row({ stream }: { readonly stream: LiveStream }): ReactNode {
  const { state, told } = useOnAir(stream);
  const targets = stream.platforms.filter(({ enabled }) => enabled);
  return (
    <li>
      <Link href={`/streams/${stream._id}`} className="row">
        <Still id={stream._id} onAir={state !== 'offline'} />
        <span className="row-name">
          <b className="clip">{stream.name || 'Without a name'}</b>
          <span className="soft clip">
            {targets.length > 0
              ? `${count(targets.length)} ${targets.length === 1 ? 'platform' : 'platforms'}`
              : `Made ${dayOf(stream.creation_time)}`}
            {stream.settings.pulling_mode?.enabled && ' · pulled'}
          </span>
        </span>
        <span className="row-facts">
          {told?.advice.some(({ severity }) => severity !== 'info') && (
            <span className="row-warning" role="img" aria-label="The encoder needs attention">
              <Icon name="warning" size={16} />
            </span>
          )}
          {told && (
            <>
              <span className="soft">
                {count(told.viewers)} {told.viewers === 1 ? 'viewer' : 'viewers'}
              </span>
              <span className="soft row-rate">{bitrate(told.bitrate_kbps)}</span>
            </>
          )}
          <StreamBadge stream={stream} />
        </span>
      </Link>
    </li>
  );
}
