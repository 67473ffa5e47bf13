import { Button, Group, NativeSelect, Table, Text, TextInput, Title } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { DeliveryList, Resent } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { eventChoices } from '../parts/event-list.ts';
import { count, timeOf } from '../parts/format.ts';
import { type Column, Listing, Pages } from '../parts/listing.tsx';
import { Loaded } from '../parts/problem.tsx';
import { useToast } from '../parts/toast.tsx';
import { useReread } from '../parts/use-reread.ts';
import { DeliveryDialog } from './delivery.tsx';
import { DeliveryBadge } from './state-badge.tsx';

const COLUMNS: readonly Column[] = [
  { title: 'Event' },
  { title: 'State' },
  { title: 'Attempts', as: 'wide figure' },
  { title: 'Next', as: 'wide' },
];

/** The input's local time as the API takes it; undefined where there is none. */
const instant = (local: string): string | undefined => (local ? new Date(local).toISOString() : undefined);

/** What an endpoint was told, and what became of it. */
export function DeliveryLog({ endpoint }: { readonly endpoint: string }): ReactNode {
  const [page, setPage] = useState(1);
  const [state, setState] = useState('');
  const [event, setEvent] = useState('');
  const [opened, setOpened] = useState<string | null>(null);
  const [ranging, setRanging] = useState(false);
  const reread = useReread('deliveries');
  const query = useQuery({
    queryKey: ['deliveries', endpoint, 'list', page, state, event],
    queryFn: () => api.get<DeliveryList>(`webhook_endpoints/${endpoint}/deliveries`, { page, limit: 25, state, event }),
    placeholderData: keepPreviousData,
    // Attempts are no events: nothing tells of them.
    refetchInterval: 5000,
  });
  return (
    <>
      <Group justify="space-between" mt="xl" mb="sm" align="flex-end">
        <Title order={2} size="h4">
          Deliveries
        </Title>
        <Group gap="xs" align="flex-end">
          <NativeSelect
            aria-label="State"
            size="xs"
            value={state}
            onChange={(change) => {
              setState(change.currentTarget.value);
              setPage(1);
            }}
            data={[{ value: '', label: 'All states' }, 'pending', 'retrying', 'delivered', 'dead']}
          />
          <NativeSelect
            aria-label="Event"
            size="xs"
            value={event}
            onChange={(change) => {
              setEvent(change.currentTarget.value);
              setPage(1);
            }}
            data={eventChoices('All events')}
          />
          <Button size="xs" variant="default" onClick={() => setRanging(true)}>
            Send many again
          </Button>
        </Group>
      </Group>
      <Loaded query={query}>
        {({ docs, pages }) => (
          <>
            <Listing label="Deliveries" columns={COLUMNS}>
              {docs.map((delivery) => (
                <Table.Tr key={delivery._id}>
                  <Table.Td>
                    <button type="button" className="opens" onClick={() => setOpened(delivery._id)}>
                      {delivery.event}
                    </button>
                    <span className="soft-line">
                      {timeOf(delivery.creation_time)} · number {delivery.number}
                      {delivery.resend_of && ' · sent again'}
                    </span>
                  </Table.Td>
                  <Table.Td>
                    <DeliveryBadge state={delivery.state} />
                  </Table.Td>
                  <Table.Td className="wide figure">{count(delivery.attempt_count)}</Table.Td>
                  <Table.Td className="wide">
                    {delivery.next_attempt_at ? timeOf(delivery.next_attempt_at) : delivery.reason}
                  </Table.Td>
                </Table.Tr>
              ))}
              {docs.length === 0 && (
                <Table.Tr>
                  <Table.Td colSpan={COLUMNS.length}>
                    <Text size="sm" c="dimmed">
                      {state || event
                        ? 'No delivery of the last 30 days is like that.'
                        : 'Nothing was sent yet. Send a test, or start a live stream: it shows here within a second.'}
                    </Text>
                  </Table.Td>
                </Table.Tr>
              )}
            </Listing>
            <Pages pages={pages} page={page} turn={setPage} />
          </>
        )}
      </Loaded>
      {opened && <DeliveryDialog endpoint={endpoint} id={opened} close={() => setOpened(null)} resent={reread} />}
      {ranging && <Resending endpoint={endpoint} close={() => setRanging(false)} done={reread} />}
    </>
  );
}

/** Sends anew what is over, of a range of time. */
function Resending(props: {
  readonly endpoint: string;
  readonly close: () => void;
  readonly done: () => Promise<void>;
}): ReactNode {
  const say = useToast();
  const [state, setState] = useState('dead');
  const [event, setEvent] = useState('');
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const send = async () => {
    const body = { state, ...(event && { event }), to: instant(to) };
    let sum = 0;
    // One call sends a part of very many, and says where the next goes on.
    for (let next: string | null | undefined = instant(from); next !== null; ) {
      const answer: Resent = await api.post<Resent>(`webhook_endpoints/${props.endpoint}/resend`, {
        ...body,
        from: next,
      });
      sum += answer.resent;
      next = answer.next_from;
    }
    say(sum === 0 ? 'There was nothing like that to send again.' : `${count(sum)} are sent again.`);
    await props.done();
  };
  return (
    <FormDialog title="Send many again" button="Send them again" close={props.close} send={send}>
      <Text size="sm">
        After an outage of your receiver: each goes out once more with its own id, so that a receiver which keeps ids
        skips what it knows.
      </Text>
      <NativeSelect
        label="Which"
        value={state}
        onChange={(change) => setState(change.currentTarget.value)}
        data={[
          { value: 'dead', label: 'those that were given up' },
          { value: 'delivered', label: 'those that were delivered' },
        ]}
      />
      <NativeSelect
        label="Event"
        value={event}
        onChange={(change) => setEvent(change.currentTarget.value)}
        data={eventChoices('All events')}
      />
      <Group grow>
        <TextInput
          label="From"
          description="Empty: 30 days ago."
          type="datetime-local"
          value={from}
          onChange={(change) => setFrom(change.currentTarget.value)}
        />
        <TextInput
          label="To"
          description="Empty: now."
          type="datetime-local"
          value={to}
          onChange={(change) => setTo(change.currentTarget.value)}
        />
      </Group>
    </FormDialog>
  );
}
